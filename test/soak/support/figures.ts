import type { Tally } from './tally.ts'

/** Lines of a table of what clients saw, by kind of pull and answer, and below it one line for each other figure. */
export function figures(tally: Tally, others: Readonly<Record<string, string | number>>): readonly string[] {
  const columns = [...new Set([...tally.counts.values()].flatMap(counts => [...counts.keys()]))].sort()
  const kinds = [...tally.counts].sort(([one], [other]) => one.localeCompare(other))
  const row = (name: string, cells: readonly (string | number)[]): string =>
    `${name.padEnd(28)}${cells.map(cell => String(cell).padStart(9)).join('')}`
  return [
    row('pulls', columns),
    ...kinds.map(([kind, counts]) =>
      row(
        kind,
        columns.map(column => counts.get(column) ?? 0),
      ),
    ),
    '',
    ...Object.entries(others).map(([name, value]) => `${name}: ${value}`),
  ]
}
