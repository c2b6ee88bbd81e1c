/** The earliest of these; undefined where nothing ends. */
export function earliest(dates: readonly (Date | undefined)[]): Date | undefined {
  return dates.reduce((first, date) => {
    if (first === undefined || date === undefined) return first ?? date
    return date.getTime() < first.getTime() ? date : first
  }, undefined)
}

/** How long something may be remembered: `ms`, but not beyond the end of what it rests on (case 179). */
export function boundedMs(ms: number, goodUntil: Date | undefined): number {
  return goodUntil === undefined ? ms : Math.min(ms, goodUntil.getTime() - Date.now())
}
