import { createServer as createHttpsServer } from 'node:https'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { digestOf, type Digest } from '../../src/reference/digest.ts'
import { isTag, parseRegistryHost, repositoryOf, type Repository, type Tag } from '../../src/reference/repository.ts'
import { openRegistryUpstream, type RegistryUpstreamOptions } from '../../src/upstream/registry-upstream.ts'
import type { Upstream } from '../../src/upstream/upstream.ts'
import { startEvilRegistry, type EvilRegistry } from '../support/evil-registry.ts'
import { createAuthority } from '../support/certificates.ts'
import { temporaryDirectory } from '../support/gate.ts'
import { blobOf, imageOf, OCI_INDEX, OCI_MANIFEST, type Blob } from '../support/signer.ts'
import { descriptorOf } from '../support/upstream.ts'

type Teardown = Parameters<typeof temporaryDirectory>[0]

const signal = (): AbortSignal => AbortSignal.timeout(5000)

function repository(path = 'team/app'): Repository {
  const host = parseRegistryHost('example.org')
  const made = host && repositoryOf(host, path)
  if (made === undefined) throw new Error(path)
  return made
}
function tag(text: string): Tag {
  if (!isTag(text)) throw new Error(text)
  return text
}

async function open(
  t: Teardown,
  options: Partial<RegistryUpstreamOptions> = {},
): Promise<{ readonly registry: EvilRegistry; readonly upstream: Upstream }> {
  const registry = await startEvilRegistry(t)
  const upstream = openRegistryUpstream({
    url: new URL(registry.url),
    prefix: undefined,
    credentials: async () => undefined,
    trust: { kind: 'system' },
    redirectHosts: [],
    tokenHosts: [],
    timeouts: { connectMs: 1000, headersMs: 300, bodyMs: 300 },
    maxManifestBytes: 4096,
    ...options,
  })
  t.teardown(() => upstream.close())
  return { registry, upstream }
}

const answer =
  (status: number, headers: Record<string, string | number>, body: string | Buffer = '') =>
  (_: IncomingMessage, response: ServerResponse): boolean => {
    response.writeHead(status, headers).end(body)
    return true
  }

t.test('manifests by tag and digest, below a prefix if there is one', async t => {
  const { registry, upstream } = await open(t)
  const image = registry.put('team/app', imageOf('x'), '1')
  t.ok(Buffer.from((await upstream.manifest(repository(), tag('1'), signal()))?.bytes ?? []).equals(image.bytes))
  t.ok(Buffer.from((await upstream.manifest(repository(), image.digest, signal()))?.bytes ?? []).equals(image.bytes))
  t.equal(await upstream.manifest(repository(), tag('2'), signal()), undefined)
  const prefixed = await open(t, { prefix: 'cache/quay' })
  prefixed.registry.put('cache/quay/team/app', imageOf('x'), '1')
  t.ok(await prefixed.upstream.manifest(repository(), tag('1'), signal()))
})

t.test('answers that are not what the protocol says', async t => {
  const { registry, upstream } = await open(t)
  const image = imageOf('x').manifest
  const table: readonly { it: string; script: EvilRegistry['script']; code: string }[] = [
    {
      it: 'cases 145, 220: a byte more than allowed, without a length',
      script: (_, response) => (response.writeHead(200), response.write(Buffer.alloc(4097)), response.end(), true),
      code: 'TOO_LARGE',
    },
    {
      it: 'cases 131, 226: gzip',
      script: answer(200, { 'content-encoding': 'gzip' }, gzipSync(image.bytes)),
      code: 'BAD_ANSWER',
    },
    {
      it: 'case 131: an encoding nobody knows',
      script: answer(200, { 'content-encoding': 'x' }, image.bytes),
      code: 'BAD_ANSWER',
    },
    {
      it: 'case 131: gzip, a thousand times over',
      script: answer(200, { 'content-encoding': Array(1000).fill('gzip').join(', ') }, gzipSync(image.bytes)),
      code: 'BAD_ANSWER',
    },
    { it: 'case 130: not modified, though nobody asked', script: answer(304, {}), code: 'BAD_ANSWER' },
    { it: 'case 127: a part', script: answer(206, {}, image.bytes), code: 'BAD_ANSWER' },
    { it: 'case 157: a redirect', script: answer(307, { location: 'http://127.0.0.1:1/' }), code: 'BAD_ANSWER' },
    {
      it: 'case 207: a body shorter than its length',
      script: (_, response) => (
        response.writeHead(200, { 'content-length': 100 }),
        response.write('x'),
        response.socket?.destroy(),
        true
      ),
      code: 'UNREACHABLE',
    },
    { it: 'case 204: silence', script: () => true, code: 'TIMED_OUT' },
    {
      it: 'case 204: half a body, then silence',
      script: (_, response) => (response.writeHead(200, { 'content-length': 100 }), response.write('x'), true),
      code: 'TIMED_OUT',
    },
    { it: 'no HTTP', script: request => (request.socket.end('hello\r\n\r\n'), true), code: 'BAD_ANSWER' },
    { it: 'a hang-up', script: request => (request.socket.destroy(), true), code: 'UNREACHABLE' },
    { it: 'case 203: 429', script: answer(429, {}), code: 'RATE_LIMITED' },
    { it: 'case 203: 500', script: answer(500, {}), code: 'SERVER_ERROR' },
    { it: '403', script: answer(403, {}), code: 'FORBIDDEN' },
    { it: '401 without a challenge', script: answer(401, {}), code: 'UNAUTHORIZED' },
  ]
  for (const { it, script, code } of table) {
    registry.script = script
    await t.rejects(upstream.manifest(repository(), tag('1'), signal()), { name: 'UpstreamError', code }, it)
  }
  registry.script = answer(
    200,
    { 'content-type': OCI_MANIFEST, 'docker-content-digest': image.digest },
    imageOf('y').manifest.bytes,
  )
  await t.rejects(upstream.manifest(repository(), image.digest, signal()), { code: 'DIGEST_MISMATCH' }, 'case 108')
  const nobody = openRegistryUpstream({
    url: new URL('http://127.0.0.1:1'),
    prefix: undefined,
    credentials: async () => undefined,
    trust: { kind: 'system' },
    redirectHosts: [],
    tokenHosts: [],
    timeouts: { connectMs: 500, headersMs: 500, bodyMs: 500 },
    maxManifestBytes: 1,
  })
  await t.rejects(nobody.manifest(repository(), tag('1'), signal()), { code: 'UNREACHABLE' })
  await nobody.close()
})

t.test('Basic: only when asked for, and only what is configured', async t => {
  const credentials = { kind: 'password', username: 'reader', password: 's3cret' } as const
  const expected = `Basic ${Buffer.from('reader:s3cret').toString('base64')}`
  const guard: (registry: EvilRegistry) => EvilRegistry['script'] = () => (request, response) => {
    if (request.headers.authorization === expected) return false
    return answer(401, { 'www-authenticate': 'Basic realm="x"' })(request, response)
  }
  const { registry, upstream } = await open(t, { credentials: async () => credentials })
  registry.put('team/app', imageOf('x'), '1')
  registry.script = guard(registry)
  t.ok(await upstream.manifest(repository(), tag('1'), signal()))
  t.equal(registry.headers[0]?.authorization, undefined, 'not before the challenge')
  registry.requests.length = 0
  t.ok(await upstream.manifest(repository(), tag('1'), signal()))
  t.equal(registry.requests.length, 1, 'and at once from then on')
  const anonymous = await open(t)
  anonymous.registry.script = guard(anonymous.registry)
  await t.rejects(anonymous.upstream.manifest(repository(), tag('1'), signal()), { code: 'UNAUTHORIZED' })
  const wrong = await open(t, {
    credentials: async () => ({ kind: 'password', username: 'reader', password: 'other' }),
  })
  wrong.registry.script = guard(wrong.registry)
  await t.rejects(wrong.upstream.manifest(repository(), tag('1'), signal()), {
    code: 'UNAUTHORIZED',
    message: /does not accept/,
  })
  t.equal(wrong.registry.requests.length, 2, 'no loop')
})

t.test('Bearer: tokens of the one scope, from the hosts that are allowed, asked for once', async t => {
  const { registry, upstream } = await open(t, {
    credentials: async () => ({ kind: 'password', username: 'reader', password: 's3cret' }),
  })
  registry.put('team/app', imageOf('x'), '1')
  let tokens = 0
  registry.script = (request, response) => {
    if (request.url?.startsWith('/token') === true) {
      tokens += 1
      return answer(
        200,
        { 'content-type': 'application/json' },
        JSON.stringify({ token: `t${tokens}`, expires_in: 300 }),
      )(request, response)
    }
    if (request.headers.authorization === `Bearer t${tokens}`) return false
    const challenge = `Bearer realm="${registry.url}/token",service="reg",scope="repository:*:*"`
    return answer(401, { 'www-authenticate': challenge })(request, response)
  }
  await Promise.all(Array.from({ length: 20 }, () => upstream.manifest(repository(), tag('1'), signal())))
  t.equal(tokens, 1, 'one token for twenty pulls at once')
  t.ok(
    registry.requests.includes('GET /token?service=reg&scope=repository%3Ateam%2Fapp%3Apull'),
    'case 167: the scope is ours',
  )
  tokens = 5 // the registry forgets its tokens
  t.ok(await upstream.manifest(repository(), tag('1'), signal()), 'a token that is no longer taken is replaced')
})

t.test('case 154: a realm that is not allowed is never asked', async t => {
  const elsewhere = await startEvilRegistry(t)
  const { registry, upstream } = await open(t, {
    credentials: async () => ({ kind: 'password', username: 'reader', password: 's3cret' }),
  })
  for (const realm of [
    `${elsewhere.url}/token`,
    'http://169.254.169.254/',
    'file:///etc/passwd',
    'https://evil.example/',
    `${registry.url.replace('//', '//user:pw@')}/t`,
    'nonsense',
  ]) {
    registry.script = answer(401, { 'www-authenticate': `Bearer realm="${realm}",service="x"` })
    await t.rejects(upstream.manifest(repository(), tag('1'), signal()), { code: 'BLOCKED' }, realm)
  }
  t.same(elsewhere.requests, [])
  const allowed = await open(t, { tokenHosts: [new URL(elsewhere.url).host], credentials: async () => undefined })
  elsewhere.script = answer(200, {}, '{"access_token":"x"}')
  allowed.registry.put('team/app', imageOf('x'), '1')
  allowed.registry.script = (request, response) =>
    request.headers.authorization === 'Bearer x'
      ? false
      : answer(401, { 'www-authenticate': `Bearer realm="${elsewhere.url}/token"` })(request, response)
  t.ok(await allowed.upstream.manifest(repository(), tag('1'), signal()), 'but one that is configured is')
})

t.test('case 168: tokens that are none', async t => {
  const { registry, upstream } = await open(t)
  for (const body of [
    '',
    'no',
    '{}',
    '{"token":""}',
    '{"token":1}',
    '{"token":"a\\r\\nx: y"}',
    'x'.repeat(1024 * 1024 + 1),
  ]) {
    registry.script = (request, response) =>
      request.url?.startsWith('/token') === true
        ? answer(200, {}, body)(request, response)
        : answer(401, { 'www-authenticate': `Bearer realm="${registry.url}/token"` })(request, response)
    await t.rejects(upstream.manifest(repository(), tag('1'), signal()), { name: 'UpstreamError' }, body.slice(0, 20))
  }
})

t.test('cases 156, 157, 159: redirects of blobs are followed here, to allowed hosts, without credentials', async t => {
  const store = await startEvilRegistry(t)
  const blob = blobOf(Buffer.alloc(1000, 1))
  store.script = (_, response) => answer(200, { 'content-length': blob.size }, blob.bytes)(_, response)
  const storeHost = new URL(store.url).host
  const options = { credentials: async () => ({ kind: 'password', username: 'reader', password: 's3cret' }) as const }
  const redirecting = (registry: EvilRegistry, location: string): void => {
    registry.script = (request, response) =>
      request.headers.authorization === undefined
        ? answer(401, { 'www-authenticate': 'Basic' })(request, response)
        : answer(307, { location })(request, response)
  }
  const allowed = await open(t, { ...options, redirectHosts: [storeHost] })
  redirecting(allowed.registry, `${store.url}/x?sig=1`)
  const opened = await allowed.upstream.openBlob(repository(), blob.digest, {
    method: 'GET',
    range: undefined,
    signal: signal(),
  })
  t.ok(opened?.body && (await buffer(opened.body)).equals(blob.bytes))
  t.ok(allowed.registry.headers.some(headers => headers.authorization !== undefined))
  t.ok(
    store.headers.every(headers => headers.authorization === undefined),
    'no credentials for the store',
  )
  const table = [
    { it: 'a host that is not listed', location: `${store.url}/x`, code: 'BLOCKED' },
    { it: 'the metadata service', location: 'http://169.254.169.254/', code: 'BLOCKED' },
    { it: 'a user in the URL', location: allowed.registry.url.replace('//', '//u:p@'), code: 'BLOCKED' },
    { it: 'no location', location: '', code: 'BAD_ANSWER' },
    { it: 'a loop', location: '/v2/loop', code: 'BAD_ANSWER' },
  ]
  store.requests.length = 0
  for (const { it, location, code } of table) {
    const { registry, upstream } = await open(t, options)
    redirecting(registry, location)
    if (location === '') registry.script = answer(307, {})
    await t.rejects(
      upstream.openBlob(repository(), blob.digest, { method: 'GET', range: undefined, signal: signal() }),
      { code },
      it,
    )
  }
  t.same(store.requests, [])
})

t.test('blobs: whole, small, in parts', async t => {
  const { registry, upstream } = await open(t)
  const blob = blobOf(Buffer.alloc(1000, 1))
  registry.blobs.set(`team/app ${blob.digest}`, blob)
  const openIt = (range?: string) =>
    upstream.openBlob(repository(), blob.digest, { method: 'GET', range, signal: signal() })
  t.same((await openIt())?.headers, { 'accept-ranges': 'bytes', 'content-length': '1000' })
  const part = await openIt('bytes=10-19')
  t.equal(part?.status, 206)
  t.equal(part?.body && (await buffer(part.body)).length, 10)
  t.equal(
    await upstream.openBlob(repository(), digestOf(Buffer.from('none')), {
      method: 'GET',
      range: undefined,
      signal: signal(),
    }),
    undefined,
  )
  t.ok(Buffer.from((await upstream.blob(repository(), descriptorOf(blob), signal())) ?? []).equals(blob.bytes))
  await t.rejects(upstream.blob(repository(), { ...descriptorOf(blob), size: 999 }, signal()), { code: 'TOO_LARGE' })
  await t.rejects(upstream.blob(repository(), { ...descriptorOf(blob), size: 1001 }, signal()), {
    code: 'DIGEST_MISMATCH',
  })
  registry.blobs.set(`team/app ${blob.digest}`, blobOf(Buffer.alloc(1000, 2)))
  await t.rejects(upstream.blob(repository(), descriptorOf(blob), signal()), { code: 'DIGEST_MISMATCH' }, 'case 53')
  const wrongParts = [
    { 'content-range': 'bytes 11-20/1000' },
    { 'content-range': 'bytes 10-99/1000' },
    { 'content-range': 'nonsense' },
    {},
  ]
  for (const headers of wrongParts) {
    registry.script = answer(206, headers, Buffer.alloc(10))
    await t.rejects(openIt('bytes=10-19'), { code: 'BAD_ANSWER' }, `case 207: ${JSON.stringify(headers)}`)
  }
  registry.script = answer(200, { 'content-encoding': 'gzip' }, gzipSync(blob.bytes))
  await t.rejects(openIt(), { code: 'BAD_ANSWER' }, 'an encoded blob could hide a manifest')
})

t.test('tags: pages, and names that no pull could ask for', async t => {
  const { registry, upstream } = await open(t)
  registry.script = (request, response) => {
    const body = JSON.stringify({ name: 'team/app', tags: ['v1', '../x', 'v2', 'v3'] })
    return answer(
      200,
      { link: '<http://evil.example/v2/?n=1>; rel="next"' },
      request.url?.includes('last=v3') === true ? '{"tags":null}' : body,
    )(request, response)
  }
  t.same(await upstream.tags(repository(), { n: 2, last: undefined }, signal()), {
    tags: ['v1', 'v2'],
    next: { last: 'v2' },
  })
  t.same(await upstream.tags(repository(), { n: 2, last: tag('v3') }, signal()), { tags: [], next: undefined })
  t.same(registry.requests, ['GET /v2/team/app/tags/list?n=2', 'GET /v2/team/app/tags/list?n=2&last=v3'])
  registry.script = answer(200, {}, '<html>')
  await t.rejects(upstream.tags(repository(), { n: 2, last: undefined }, signal()), { code: 'BAD_ANSWER' })
  registry.script = answer(404, {})
  t.equal(await upstream.tags(repository(), { n: 2, last: undefined }, signal()), undefined)
})

t.test(
  'referrers: the API with its pages, the fallback tag, and failures that are never "none" (cases 62 to 64, 203)',
  async t => {
    const subject: Digest = imageOf('subject').manifest.digest
    const one = imageOf('one').manifest
    const two = imageOf('two').manifest
    const list = (...blobs: readonly Blob[]): string =>
      JSON.stringify({
        schemaVersion: 2,
        manifests: blobs.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
      })
    const api = `/v2/team/app/referrers/${subject}`
    const fallback = `/v2/team/app/manifests/${subject.replace(':', '-')}`
    type Answers = Readonly<Record<string, EvilRegistry['script']>>
    const index = { 'content-type': OCI_INDEX }
    const table: readonly { it: string; answers: Answers; finds: readonly Digest[] | string }[] = [
      { it: 'by the API', answers: { [api]: answer(200, index, list(one, two)) }, finds: [one.digest, two.digest] },
      {
        it: 'in pages',
        answers: {
          [api]: answer(200, { ...index, link: `<${api}?page=2>; rel="next"` }, list(one)),
          [`${api}?page=2`]: answer(200, index, list(two)),
        },
        finds: [one.digest, two.digest],
      },
      { it: 'none by the API', answers: { [api]: answer(200, index, list()) }, finds: [] },
      { it: 'by the fallback tag', answers: { [fallback]: answer(200, index, list(one)) }, finds: [one.digest] },
      {
        it: 'HTML for the API, then the fallback tag',
        answers: {
          [api]: answer(200, { 'content-type': 'text/html' }, '<html>'),
          [fallback]: answer(200, index, list(one)),
        },
        finds: [one.digest],
      },
      { it: 'neither', answers: {}, finds: [] },
      { it: '429', answers: { [api]: answer(429, {}) }, finds: 'RATE_LIMITED' },
      { it: '500', answers: { [api]: answer(500, {}) }, finds: 'SERVER_ERROR' },
      { it: '500 for the fallback tag', answers: { [fallback]: answer(500, {}) }, finds: 'SERVER_ERROR' },
      { it: 'a broken list', answers: { [api]: answer(200, index, '{"manifests":[{}]}') }, finds: 'BAD_ANSWER' },
      {
        it: 'a page elsewhere',
        answers: { [api]: answer(200, { ...index, link: '<http://evil.example/x>; rel="next"' }, list(one)) },
        finds: 'BLOCKED',
      },
      {
        it: 'a page that is itself',
        answers: { [api]: answer(200, { ...index, link: `<${api}>; rel="next"` }, list(one)) },
        finds: 'BAD_ANSWER',
      },
    ]
    for (const { it, answers, finds } of table) {
      const { registry, upstream } = await open(t)
      registry.script = (request, response) => answers[request.url ?? '']?.(request, response) ?? false
      const found = upstream.referrers(repository(), subject, signal())
      if (typeof finds === 'string') await t.rejects(found, { code: finds }, it)
      else
        t.same(
          (await found).map(({ digest }) => digest),
          finds,
          it,
        )
    }
  },
)

t.test('HTTPS is held to the configured CA', async t => {
  const ca = createAuthority(temporaryDirectory(t), 'ca')
  const image = imageOf('x').manifest
  const server = createHttpsServer(ca.issue('server'), (_, response) => {
    response.writeHead(200, { 'content-type': OCI_MANIFEST }).end(image.bytes)
  })
  await new Promise<void>(resolve => server.listen(0, resolve))
  t.teardown(() => (server.closeAllConnections(), server.close()))
  const { port } = server.address() as AddressInfo
  const ask = async (trusted: string | undefined, host: string) => {
    const { upstream } = await open(t, {
      url: new URL(`https://${host}:${port}`),
      trust: trusted === undefined ? { kind: 'system' } : { kind: 'only', ca: trusted },
    })
    return upstream.manifest(repository(), tag('1'), signal())
  }
  t.ok(await ask(ca.pem, 'localhost'))
  await t.rejects(ask(undefined, 'localhost'), { code: 'UNREACHABLE' }, 'an unknown CA')
  await t.rejects(
    ask(createAuthority(temporaryDirectory(t), 'other').pem, 'localhost'),
    { code: 'UNREACHABLE' },
    'another CA',
  )
  await t.rejects(ask(ca.pem, '127.0.0.2'), { code: 'UNREACHABLE' }, 'another name')
})
