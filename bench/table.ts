/** One row of the benchmark: several runs of ours, several of a peer's, in turns, so that both see the same machine. */
export type Row = {
  readonly work: string
  readonly unit: string
  readonly ours: readonly number[]
  readonly peer:
    { readonly name: string; readonly runs: readonly number[] } | { readonly name: string; readonly absent: string }
  /** What the ratio ours / peer (or ours alone, without a peer) must be. */
  readonly mustBe: string
}

export function formatTable(rows: readonly Row[]): string {
  const head =
    '| work | unit | ours: min, median, max | peer: min, median, max | ratio of medians | must be |\n|---|---|---|---|---|---|\n'
  return head + rows.map(formatRow).join('')
}

function formatRow({ work, unit, ours, peer, mustBe }: Row): string {
  const other = 'absent' in peer ? `${peer.name}: ${peer.absent}` : `${peer.name}: ${spread(peer.runs)}`
  const ratio = 'absent' in peer ? '–' : (median(ours) / median(peer.runs)).toFixed(2)
  return `| ${work} | ${unit} | ${spread(ours)} | ${other} | ${ratio} | ${mustBe} |\n`
}

function spread(runs: readonly number[]): string {
  return [Math.min(...runs), median(runs), Math.max(...runs)].map(short).join(', ')
}

export function median(runs: readonly number[]): number {
  const sorted = [...runs].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

function short(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3)
}
