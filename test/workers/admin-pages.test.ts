import t from 'tap'
import { joinPages } from '../../src/workers/admin-pages.ts'
import type { AdminPage } from '../../src/workers/messages.ts'

const json = (status: number, body: string): AdminPage => ({ status, contentType: 'application/json', body })
const ready = json(200, '{"status":"ready"}')
const unready = json(503, '{"status":"not ready"}')
const unknown = json(404, '{}')
const found = json(200, '{"id":"x"}')

t.test('one page of several', async t => {
  const table: readonly { it: string; path: string; pages: readonly AdminPage[]; is: Partial<AdminPage> }[] = [
    { it: 'all ready', path: '/readyz', pages: [ready, ready], is: ready },
    { it: 'one not', path: '/readyz', pages: [ready, unready], is: unready },
    { it: 'one silent', path: '/readyz', pages: [ready], is: { status: 503 } },
    { it: 'none there', path: '/readyz', pages: [], is: { status: 503 } },
    { it: 'one of them explains', path: '/explain/x', pages: [unknown, found], is: found },
    { it: 'none of them does', path: '/explain/x', pages: [unknown, unknown], is: unknown },
    { it: 'nobody to ask', path: '/explain/x', pages: [], is: { status: 503 } },
    { it: 'metrics of none', path: '/metrics', pages: [], is: { status: 503 } },
    {
      it: 'metrics',
      path: '/metrics',
      pages: [json(200, 'up 1'), json(200, 'up 0')],
      is: { status: 200, body: 'up{worker="1"} 1\nup{worker="2"} 0\n' },
    },
  ]
  for (const { it, path, pages, is } of table) {
    const numbered = new Map(pages.map((page, index) => [index + 1, page]))
    t.match(joinPages(path, numbered, 2), is, it)
  }
})
