import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { openDial } from '../../src/upstream/dial.ts'
import { createAuthority } from '../support/certificates.ts'
import { startEvilRegistry } from '../support/evil-registry.ts'
import { answer, redirect } from '../support/faults.ts'
import { temporaryDirectory } from '../support/gate.ts'
import { blobOf, imageOf } from '../support/signer.ts'
import { repositoryAt, tagOf, upstreamOf, within } from '../support/upstream.ts'

const blob = blobOf('x')

t.test('a client certificate is shown to the registry, and to nobody that it points at', async t => {
  const authority = createAuthority(temporaryDirectory(t), 'authority')
  const tls = { ...authority.issue('server'), clientCa: authority.pem }
  const registry = await startEvilRegistry(t, { tls })
  registry.put('team/app', imageOf('x'), '1')
  const clientCertificate = authority.issue('client')
  const known = upstreamOf(t, registry, { trust: { kind: 'only', ca: authority.pem }, clientCertificate })
  t.ok(await known.manifest(repositoryAt(), tagOf('1'), within()))
  const unknown = upstreamOf(t, registry, { trust: { kind: 'only', ca: authority.pem } })
  await t.rejects(unknown.manifest(repositoryAt(), tagOf('1'), within()), { code: 'UNREACHABLE' })

  const store = await startEvilRegistry(t, { tls })
  store.script = answer(200, {}, blob.bytes)
  registry.on(/blobs/, redirect(`${store.url}/x`))
  const redirected = upstreamOf(t, registry, {
    trust: { kind: 'only', ca: authority.pem },
    clientCertificate,
    redirectHosts: [new URL(store.url).host],
  })
  const opened = redirected.openBlob(repositoryAt(), blob.digest, { method: 'GET', range: undefined, signal: within() })
  await t.rejects(opened, { code: 'UNREACHABLE' }, 'another origin wants one too, and does not get it')
  t.same(store.requests, [])
})

t.test('a certificate of another CA is not taken, whatever it says', async t => {
  const directory = temporaryDirectory(t)
  const [ours, theirs] = [createAuthority(directory, 'ours'), createAuthority(directory, 'theirs')]
  const registry = await startEvilRegistry(t, { tls: theirs.issue('server') })
  registry.put('team/app', imageOf('x'), '1')
  for (const ca of [ours.pem, undefined]) {
    const upstream = upstreamOf(t, registry, { trust: ca === undefined ? { kind: 'system' } : { kind: 'only', ca } })
    await t.rejects(upstream.manifest(repositoryAt(), tagOf('1'), within()), { code: 'UNREACHABLE' })
  }
  t.same(registry.requests, [])
})

t.test('case 159: more headers than anybody needs', async t => {
  const registry = await startEvilRegistry(t)
  registry.script = (_, response) => {
    response.writeHead(200, { 'x-large': 'x'.repeat(80 * 1024) }).end()
    return true
  }
  const upstream = upstreamOf(t, registry)
  await t.rejects(upstream.manifest(repositoryAt(), tagOf('1'), within()), { code: 'BAD_ANSWER' })
})

t.test('case 160: an answer that nobody asked for is not taken for the next one', async t => {
  const registry = await startEvilRegistry(t)
  const honest = registry.put('team/app', imageOf('honest'), '1')
  const forged = imageOf('forged').manifest
  registry.put('team/other', imageOf('other'), '1')
  registry.on(/team\/other/, (request, response) => {
    const poison = `HTTP/1.1 200 OK\r\nContent-Type: ${forged.mediaType}\r\nContent-Length: ${forged.size}\r\n\r\n`
    response.on('finish', () => setTimeout(() => request.socket.write(poison + forged.bytes.toString()), 20))
    return false
  })
  const upstream = upstreamOf(t, registry)
  t.ok(await upstream.manifest(repositoryAt('team/other'), tagOf('1'), within()))
  await new Promise(resolve => setTimeout(resolve, 100))
  const answered = await upstream.manifest(repositoryAt('team/app'), tagOf('1'), within())
  t.ok(answered && honest.bytes.equals(answered.bytes))
})

t.test('case 160: upstreams at one address, with other credentials, share no socket', async t => {
  const registry = await startEvilRegistry(t)
  const names = ['ann', 'bob', 'nobody']
  registry.put('team/app', imageOf('x'), ...names)
  const askedOver = new Map<object, Set<string>>()
  registry.on(/ /, request => {
    askedOver.set(request.socket, (askedOver.get(request.socket) ?? new Set()).add(request.url ?? ''))
    return false
  })
  const upstreams = names.map(name => ({ name, upstream: upstreamOf(t, registry) }))
  for (let round = 0; round < 3; round += 1) {
    for (const { name, upstream } of upstreams) await upstream.manifest(repositoryAt(), tagOf(name), within())
  }
  for (const asked of askedOver.values()) t.equal(asked.size, 1, [...asked].join(', '))
  t.ok(askedOver.size >= names.length)
})

t.test('case 161: whatever a registry says of caching, each request reaches it', async t => {
  const registry = await startEvilRegistry(t)
  const headers = {
    'cache-control': 'public, max-age=3600, immutable',
    etag: '"x"',
    'last-modified': 'Thu, 01 Jan 2026',
  }
  registry.script = (request, response) =>
    answer(200, headers, `${registry.requests.length} ${request.headers.authorization}`)(request, response)
  const upstream = upstreamOf(t, registry)
  const ask = async (): Promise<string> => {
    const found = await upstream.manifest(repositoryAt(), tagOf('1'), within())
    return Buffer.from(found?.bytes ?? []).toString()
  }
  const answered = [await ask(), await ask(), ...(await Promise.all([ask(), ask(), ask()]))]
  t.equal(new Set(answered).size, 5, answered.join(', '))
  t.ok(
    registry.headers.every(sent => sent['if-none-match'] === undefined && sent['if-modified-since'] === undefined),
    'and is a request for all of it',
  )
})

t.test('case 163: a TLS session that one name began is no way in for another', async t => {
  const authority = createAuthority(temporaryDirectory(t), 'authority')
  const { cert, key } = authority.issue('server')
  let answered = 0
  const server = createServer({ cert, key, keepAliveTimeout: 1 }, (_request, response) => {
    answered += 1
    response.writeHead(200, { connection: 'close' }).end()
  })
  await new Promise<void>(resolve => server.listen(0, resolve))
  t.teardown(() => (server.closeAllConnections(), server.close()))
  const { port } = server.address() as AddressInfo
  const dial = openDial({
    origin: new URL('https://registry.example.org'),
    trust: { kind: 'also', ca: [authority.pem] },
    clientCertificate: undefined,
    timeouts: { connectMs: 5000, headersMs: 5000, bodyMs: 5000 },
    maxConnections: 8,
  })
  t.teardown(() => dial.close())
  const ask = async (host: string): Promise<number> => {
    const url = new URL(`https://${host}:${port}/`)
    const { status, body } = await dial.send({ method: 'GET', url, headers: {}, signal: within() })
    await body.resume().toArray()
    return status
  }
  for (let round = 0; round < 3; round += 1) {
    t.equal(await ask('localhost'), 200)
    await t.rejects(ask('127.0.0.2'), { code: 'UNREACHABLE' }, 'its certificate is of other names')
  }
  t.equal(answered, 3, 'nothing was asked of the server by the other name')
})

t.test('case 166: an https registry is never spoken to in the clear', async t => {
  const registry = await startEvilRegistry(t)
  registry.put('team/app', imageOf('x'), '1')
  registry.blobs.set(`team/app ${blob.digest}`, blob)
  const url = new URL(registry.url.replace('http:', 'https:'))
  const credentials = { kind: 'password', username: 'reader', password: 's3cret' } as const
  const upstream = upstreamOf(t, registry, { url, credentials: async () => credentials, push: 'passthrough' })
  const options = { method: 'GET', range: undefined, signal: within() } as const
  const requests: readonly (() => Promise<unknown> | undefined)[] = [
    () => upstream.manifest(repositoryAt(), tagOf('1'), within()),
    () => upstream.openBlob(repositoryAt(), blob.digest, options),
    () => upstream.referrers(repositoryAt(), blob.digest, within()),
    () => upstream.tags(repositoryAt(), { n: 1, last: undefined }, within()),
    () => upstream.login?.(within()),
    () => upstream.push?.({ step: 'delete-blob', repository: repositoryAt(), digest: blob.digest, signal: within() }),
  ]
  for (const request of requests) await t.rejects(async () => void (await request()), { code: 'UNREACHABLE' })
  t.same(registry.requests, [], 'though there is somebody who would answer')
})
