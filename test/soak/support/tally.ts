import type { Asked, Seen } from './verdict-due.ts'

const KEPT = 50

/** Counts of what clients saw, and the first wrong answers word for word. */
export class Tally {
  readonly counts: Map<string, Map<string, number>> = new Map()
  readonly wrong: string[] = []
  wrongTotal = 0
  answers = 0
  aborted = 0

  count(asked: Asked, seen: Seen, wrong: string | undefined): void {
    this.answers += 1
    if (seen.end === 'aborted') this.aborted += 1
    const kind = kindOf(asked)
    const counts = this.counts.get(kind) ?? new Map<string, number>()
    this.counts.set(kind, counts)
    const column = seen.end === 'whole' ? String(seen.status) : seen.end
    counts.set(column, (counts.get(column) ?? 0) + 1)
    if (wrong === undefined) return
    this.wrongTotal += 1
    const { method, target, range } = asked
    const at = new Date().toISOString()
    if (this.wrong.length < KEPT) {
      this.wrong.push(`${at} ${method} ${target.path} ${range?.join('-') ?? ''} (${target.due}): ${wrong}`)
    }
  }

  /** How many were answered so: `200` for all kinds whose name begins so. */
  sum(kind: string, column: string): number {
    let sum = 0
    for (const [name, counts] of this.counts) if (name.startsWith(kind)) sum += counts.get(column) ?? 0
    return sum
  }
}

function kindOf({ target, method, range }: Asked): string {
  if (target.what === 'blob') return range === undefined ? 'blob' : 'blob, a range'
  const due = target.due.startsWith('by-') ? 'policy changes' : target.due
  return `${due}, by ${target.by}${method === 'HEAD' ? ', HEAD' : ''}`
}
