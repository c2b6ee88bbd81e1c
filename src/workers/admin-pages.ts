import { mergeMetrics } from './merge-metrics.ts'
import type { AdminPage } from './messages.ts'

type Pages = ReadonlyMap<number, AdminPage>

/**
 * One admin page of what the workers' are: ready if all of them are, the metrics of all, the explanation that one of them
 * has.
 *
 * @param pages what the workers answered for `path`, by number; those that did not answer are missing
 * @param workers how many there should be
 */
export function joinPages(path: string, pages: Pages, workers: number): AdminPage {
  const answered = [...pages.values()]
  if (path === '/readyz') {
    const bad = answered.find(({ status }) => status !== 200)
    if (bad !== undefined) return bad
    const first = answered[0]
    if (first !== undefined && answered.length === workers) return first
    const body = JSON.stringify({ status: 'not ready', problem: `${answered.length} of ${workers} workers answer` })
    return { status: 503, contentType: 'application/json', body }
  }
  if (path === '/metrics') {
    const contentType = answered[0]?.contentType ?? 'text/plain'
    const texts = new Map(
      [...pages].filter(([, { status }]) => status === 200).map(([number, { body }]) => [number, body]),
    )
    return { status: texts.size === 0 ? 503 : 200, contentType, body: mergeMetrics(texts) }
  }
  const found = answered.find(({ status }) => status === 200) ?? answered[0]
  return found ?? { status: 503, contentType: 'application/json', body: '{"error":"no worker answers"}' }
}
