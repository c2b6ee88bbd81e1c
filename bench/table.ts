/** One row of the benchmark: several runs of ours, several of a peer's, in turns, so that both see the same machine. */
export type Row = {
  readonly work: string
  readonly unit: string
  readonly ours: readonly number[]
  readonly peer: Peer
  /** What the ratio of medians, ours to the peer's, must be; without a peer what our median must be. */
  readonly mustBe: { readonly bound: '≥' | '≤'; readonly value: number }
}

export type Peer =
  | { readonly name: string; readonly runs: readonly number[] }
  /** A program that is not installed here. */
  | { readonly name: string; readonly absent: string }
  | undefined

export function formatTable(rows: readonly Row[]): string {
  const head =
    '| work | unit | ours: min, median, max | peer: min, median, max | ratio of medians | must be | is |\n' +
    '|---|---|---|---|---|---|---|\n'
  return head + rows.map(formatRow).join('')
}

function formatRow({ work, unit, ours, peer, mustBe }: Row): string {
  const { bound, value } = mustBe
  const cells = [work, unit, spread(ours), formatPeer(peer)]
  if (peer !== undefined && 'absent' in peer) return line([...cells, '–', `${bound} ${value}`, 'not known'])
  const ratio = peer && median(ours) / median(peer.runs)
  const measured = ratio ?? median(ours)
  const met = bound === '≥' ? measured >= value : measured <= value
  return line([...cells, ratio === undefined ? '–' : short(ratio), `${bound} ${value}`, met ? 'met' : 'NOT met'])
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |\n`
}

function formatPeer(peer: Peer): string {
  if (peer === undefined) return '–'
  return 'absent' in peer ? `${peer.name}: ${peer.absent}` : `${peer.name}: ${spread(peer.runs)}`
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
