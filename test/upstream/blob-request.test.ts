import { buffer } from 'node:stream/consumers'
import t from 'tap'
import type { Upstream } from '../../src/upstream/upstream.ts'
import { startEvilRegistry } from '../support/evil-registry.ts'
import { alternating, answer, endless, hangUp, redirect, truncated } from '../support/faults.ts'
import { basicGuard } from '../support/registry-guard.ts'
import { blobOf } from '../support/signer.ts'
import { repositoryAt, upstreamOf, within } from '../support/upstream.ts'

const user = { kind: 'password', username: 'reader', password: 's3cret' } as const
const blob = blobOf(Buffer.alloc(1000, 1))
const openIt = (upstream: Upstream, range?: string, method: 'GET' | 'HEAD' = 'GET') =>
  upstream.openBlob(repositoryAt(), blob.digest, { method, range, signal: within() })

t.test('case 156: credentials stay with the registry, even if another host sends the way back', async t => {
  const registry = await startEvilRegistry(t)
  const store = await startEvilRegistry(t)
  registry.guard = basicGuard(user)
  registry.on(/blobs/, (request, response) =>
    request.headers.authorization === undefined ? false : redirect(`${store.url}/x`)(request, response),
  )
  store.script = redirect(`${registry.url}/v2/team/secret/blobs/x`)
  registry.on(/secret/, answer(200, {}, 'x'))
  const { host } = new URL(store.url)
  const upstream = upstreamOf(t, registry, { credentials: async () => user, redirectHosts: [host] })
  const opened = await openIt(upstream)
  opened?.body?.destroy()
  t.equal(store.headers[0]?.authorization, undefined)
  const back = registry.requests.indexOf('GET /v2/team/secret/blobs/x')
  t.not(back, -1)
  t.equal(registry.headers[back]?.authorization, undefined)
})

t.test('case 159: five redirects are followed, six are not', async t => {
  for (const [hops, code] of [
    [5, undefined],
    [6, 'BAD_ANSWER'],
  ] as const) {
    const registry = await startEvilRegistry(t)
    registry.script = alternating(
      ...Array.from({ length: hops }, (_, at) => redirect(`/hop/${at}`)),
      answer(200, {}, blob.bytes),
    )
    const opened = openIt(upstreamOf(t, registry))
    if (code !== undefined) await t.rejects(opened, { code })
    else t.ok((await opened)?.body?.destroy())
  }
})

t.test('case 159: a redirect that leads nowhere is not followed', async t => {
  for (const location of [undefined, '', 'http://[', 'http://a b/', 'https://:443/', 'http://\u00e9.example:99999/']) {
    const registry = await startEvilRegistry(t)
    registry.script = answer(307, location === undefined ? {} : { location: encodeURI(location) })
    const says = location === '' ? /redirects without end/ : /redirects to nowhere/
    await t.rejects(openIt(upstreamOf(t, registry)), { name: 'UpstreamError', code: 'BAD_ANSWER', message: says })
    t.equal(registry.requests.length, location === '' ? 6 : 1, String(location))
  }
})

t.test('cases 131, 203, 207: what is no blob', async t => {
  const table = [
    { it: '404', script: answer(404), gives: undefined },
    { it: '429', script: answer(429), gives: 'RATE_LIMITED' },
    { it: '500', script: answer(500), gives: 'SERVER_ERROR' },
    { it: '403', script: answer(403), gives: 'FORBIDDEN' },
    { it: '204', script: answer(204), gives: 'BAD_ANSWER' },
    { it: '304', script: answer(304), gives: 'BAD_ANSWER' },
    { it: 'a part that nobody asked for', script: answer(206, {}, 'x'), gives: 'BAD_ANSWER' },
    { it: 'gzip', script: answer(200, { 'content-encoding': 'gzip' }, 'x'), gives: 'BAD_ANSWER' },
    { it: 'a hang-up', script: hangUp, gives: 'UNREACHABLE' },
  ]
  for (const { it, script, gives } of table) {
    const registry = await startEvilRegistry(t)
    registry.script = script
    const opened = openIt(upstreamOf(t, registry))
    if (gives === undefined) t.equal(await opened, undefined, it)
    else await t.rejects(opened, { name: 'UpstreamError', code: gives }, it)
  }
})

t.test("case 165: nothing of the upstream's headers is handed on but the few that are needed", async t => {
  const registry = await startEvilRegistry(t)
  const headers = { 'set-cookie': 'x=1', link: '<x>', 'docker-content-digest': 'x', 'x-y': 'z', 'content-length': 1000 }
  registry.script = answer(200, headers, blob.bytes)
  const opened = await openIt(upstreamOf(t, registry))
  opened?.body?.destroy()
  t.same(opened?.headers, { 'accept-ranges': 'bytes', 'content-length': '1000' })
  const head = await openIt(upstreamOf(t, registry), undefined, 'HEAD')
  t.match(head, { status: 200, headers: { 'content-length': '1000' }, body: undefined })
})

t.test('case 207: a part is the part that was asked for', async t => {
  const table = [
    { range: 'bytes=10-19', sent: 'bytes 10-19/1000', size: 10, fits: true },
    { range: 'bytes=10-19', sent: 'bytes 10-19/*', size: 10, fits: true },
    { range: 'bytes=990-', sent: 'bytes 990-999/1000', size: 10, fits: true },
    { range: 'bytes=-10', sent: 'bytes 990-999/1000', size: 10, fits: true },
    { range: 'bytes=10-19', sent: 'bytes 9-18/1000', size: 10, fits: false },
    { range: 'bytes=10-19', sent: 'bytes 10-20/1000', size: 11, fits: false },
    { range: 'bytes=10-19', sent: 'bytes 10-19/15', size: 10, fits: false },
    { range: 'bytes=-10', sent: 'bytes 0-9/1000', size: 10, fits: false },
    { range: 'bytes=-10', sent: 'bytes 989-999/1000', size: 11, fits: false },
    { range: 'bytes=-10', sent: 'bytes 0-9/*', size: 10, fits: false },
    { range: 'bytes=10-19', sent: 'bytes 10-19/1000', size: 9, fits: false },
    { range: 'bytes=10-19', sent: 'bytes 19-10/1000', size: 10, fits: false },
    { range: 'bytes=10-19', sent: 'items 10-19/1000', size: 10, fits: false },
    { range: 'bytes=10-19', sent: '', size: 10, fits: false },
  ]
  for (const { range, sent, size, fits } of table) {
    const registry = await startEvilRegistry(t)
    registry.script = answer(206, { 'content-range': sent, 'content-length': size }, Buffer.alloc(size))
    const opened = openIt(upstreamOf(t, registry), range)
    const it = `${range}, ${sent}, ${size} bytes`
    if (fits) t.equal((await opened)?.headers['content-range'], sent, it)
    else await t.rejects(opened, { code: 'BAD_ANSWER' }, it)
    if (fits) (await opened)?.body?.destroy()
  }
  const registry = await startEvilRegistry(t)
  registry.script = answer(416, { 'content-range': 'bytes */1000' })
  t.match(await openIt(upstreamOf(t, registry), 'bytes=2000-'), {
    status: 416,
    headers: { 'content-range': 'bytes */1000' },
  })
})

t.test('cases 204, 207, 208: a blob that breaks off is an error of its stream, not its end', async t => {
  for (const [end, code] of [
    ['hang-up', 'UND_ERR_SOCKET'],
    ['silence', 'UND_ERR_BODY_TIMEOUT'],
  ] as const) {
    const registry = await startEvilRegistry(t)
    registry.script = truncated(blob.bytes, end)
    const opened = await openIt(upstreamOf(t, registry))
    if (opened?.body === undefined) throw new Error('no body')
    await t.rejects(buffer(opened.body), { code }, end)
  }
})

t.test('a blob is taken from the upstream only as fast as it is read', async t => {
  const registry = await startEvilRegistry(t)
  let socket: { readonly bytesWritten: number } | undefined
  registry.script = (request, response) => {
    socket = request.socket
    return endless()(request, response)
  }
  const opened = await openIt(upstreamOf(t, registry, { timeouts: { connectMs: 1000, headersMs: 500, bodyMs: 5000 } }))
  await new Promise(resolve => setTimeout(resolve, 300))
  const held = socket?.bytesWritten ?? 0
  await new Promise(resolve => setTimeout(resolve, 300))
  t.equal(socket?.bytesWritten, held, 'nobody reads, nothing comes')
  t.ok(held < 32 * 1024 * 1024, `${held} bytes wait in buffers of the system`)
  opened?.body?.destroy()
})
