import t from 'tap'
import type { Credentials } from '../../src/upstream/credentials/credentials.ts'
import { UpstreamError } from '../../src/upstream/upstream-error.ts'
import { startEvilRegistry, type EvilRegistry } from '../support/evil-registry.ts'
import { answer, delayed, drip, endless, hangUp, truncated } from '../support/faults.ts'
import { basicGuard, tokenGuard } from '../support/registry-guard.ts'
import { blobOf, imageOf } from '../support/signer.ts'
import { descriptorOf, repositoryAt, tagOf, upstreamOf, within } from '../support/upstream.ts'

type Teardown = Parameters<typeof startEvilRegistry>[0]

const user: Credentials = { kind: 'password', username: 'reader', password: 's3cret-of-the-reader' }

async function registryWith(t: Teardown, ...repositories: readonly string[]): Promise<EvilRegistry> {
  const registry = await startEvilRegistry(t)
  for (const path of repositories) registry.put(path, imageOf(path), '1')
  return registry
}

/** Everything that an error shows when it is printed or logged. */
const shown = (error: unknown): string =>
  error instanceof UpstreamError ? `${error.message} ${JSON.stringify(error.complaints)} ${String(error.cause)}` : ''

t.test('case 167: a token is for pulling one repository, and is not used for another', async t => {
  const registry = await registryWith(t, 'team/app', 'team/other')
  const tokens = tokenGuard({ url: registry.url, user })
  registry.guard = tokens.guard
  const upstream = upstreamOf(t, registry, { credentials: async () => user })
  t.ok(await upstream.manifest(repositoryAt('team/app'), tagOf('1'), within()))
  t.ok(await upstream.manifest(repositoryAt('team/other'), tagOf('1'), within()))
  t.ok(await upstream.manifest(repositoryAt('team/app'), tagOf('1'), within()))
  t.same(
    tokens.issued.map(({ scope, authorized }) => ({ scope, authorized })),
    [
      { scope: 'repository:team/app:pull', authorized: true },
      { scope: 'repository:team/other:pull', authorized: true },
    ],
  )
  t.ok(
    registry.headers.every((headers, at) => {
      const isToken = registry.requests[at]?.includes('/token') === true
      return isToken || headers.authorization === undefined || headers.authorization.startsWith('Bearer ')
    }),
    'the password goes to the token endpoint alone',
  )
})

t.test('case 167: a scope in the realm itself is the challenger’s wish, and is not asked for', async t => {
  const registry = await registryWith(t, 'team/app')
  const tokens = tokenGuard({ url: registry.url })
  const wishes = 'scope=repository:*:*&scope=registry:catalog:*&service=other'
  registry.guard = (request, response) => {
    const isKnown = request.headers.authorization !== undefined || request.url?.startsWith('/token') === true
    const challenge = `Bearer realm="${registry.url}/token?${wishes}",service="registry",scope="repository:*:push"`
    return isKnown ? tokens.guard(request, response) : answer(401, { 'www-authenticate': challenge })(request, response)
  }
  t.ok(await upstreamOf(t, registry).manifest(repositoryAt(), tagOf('1'), within()))
  const [asked = ''] = registry.requests.filter(request => request.startsWith('GET /token'))
  const { searchParams } = new URL(asked.slice('GET '.length), registry.url)
  t.same(searchParams.getAll('scope'), ['repository:team/app:pull'])
  t.same(searchParams.getAll('service'), ['registry'])
})

t.test('case 167: no loops', async t => {
  const registry = await registryWith(t, 'team/app')
  const tokens = tokenGuard({ url: registry.url })
  registry.guard = tokens.guard
  registry.on(/\/v2\//, answer(401, { 'www-authenticate': `Bearer realm="${registry.url}/token"` }))
  const upstream = upstreamOf(t, registry)
  await t.rejects(upstream.manifest(repositoryAt(), tagOf('1'), within()), { code: 'UNAUTHORIZED' })
  t.same([tokens.issued.length, registry.count('manifests/1')], [1, 2])
})

t.test('a token that is no longer taken is replaced by one fresh one, for all who need it', async t => {
  const registry = await registryWith(t, 'team/app')
  const tokens = tokenGuard({ url: registry.url })
  registry.guard = tokens.guard
  const upstream = upstreamOf(t, registry)
  t.ok(await upstream.manifest(repositoryAt(), tagOf('1'), within()))
  tokens.forget()
  registry.on(/ \/token/, (request, response) => {
    setTimeout(() => tokens.guard(request, response), 100)
    return true
  })
  await Promise.all(Array.from({ length: 10 }, () => upstream.manifest(repositoryAt(), tagOf('1'), within())))
  t.equal(tokens.issued.length, 2)
})

t.test('case 205: who asked for the token first may hang up, and the others still get it', async t => {
  const registry = await registryWith(t, 'team/app')
  const tokens = tokenGuard({ url: registry.url })
  registry.guard = tokens.guard
  registry.on(/ \/token/, delayed(200, tokens.guard))
  const upstream = upstreamOf(t, registry)
  const impatient = upstream.manifest(repositoryAt(), tagOf('1'), within(100))
  const patient = upstream.manifest(repositoryAt(), tagOf('1'), within())
  await t.rejects(impatient)
  t.ok(await patient)
  t.equal(tokens.issued.length, 1)
})

t.test('a token host that is out of order says nothing about the credentials', async t => {
  const table = [
    { it: 'a wrong password', script: answer(401), code: 'UNAUTHORIZED' },
    { it: 'no right to it', script: answer(403), code: 'UNAUTHORIZED' },
    { it: 'case 203: too many', script: answer(429, { 'retry-after': 9 }), code: 'RATE_LIMITED' },
    { it: 'case 203: broken', script: answer(503), code: 'SERVER_ERROR' },
    { it: 'nothing there', script: answer(404), code: 'SERVER_ERROR' },
    { it: 'a redirect is not followed', script: answer(307, { location: '/t' }), code: 'SERVER_ERROR' },
    { it: 'case 168: endless', script: endless(), code: 'TOO_LARGE' },
    { it: 'case 207: half of it', script: truncated(Buffer.alloc(100), 'hang-up'), code: 'UNREACHABLE' },
    { it: 'case 204: half, then silence', script: truncated(Buffer.alloc(100), 'silence'), code: 'TIMED_OUT' },
    { it: 'a hang-up', script: hangUp, code: 'UNREACHABLE' },
  ]
  for (const { it, script, code } of table) {
    const registry = await registryWith(t, 'team/app')
    registry.guard = tokenGuard({ url: registry.url, user }).guard
    registry.on(/ \/token/, script)
    const upstream = upstreamOf(t, registry, { credentials: async () => user })
    await t.rejects(upstream.manifest(repositoryAt(), tagOf('1'), within()), { name: 'UpstreamError', code }, it)
  }
})

t.test('case 168: a token by either of its names, and by one of them if there are both', async t => {
  const table = [
    { body: { token: 'a' }, used: 'a' },
    { body: { access_token: 'b' }, used: 'b' },
    { body: { token: 'a', access_token: 'b' }, used: 'a' },
    { body: { token: '', access_token: 'b' }, used: 'b' },
    { body: { token: 1, access_token: 'b' }, used: 'b' },
    { body: { token: null, access_token: 'b' }, used: 'b' },
    { body: { token: '', access_token: '' }, used: undefined },
    { body: { access_token: ['b'] }, used: undefined },
    { body: { TOKEN: 'a' }, used: undefined },
    { body: [{ token: 'a' }], used: undefined },
  ]
  for (const { body, used } of table) {
    const it = JSON.stringify(body)
    const registry = await registryWith(t, 'team/app')
    registry.guard = (request, response) =>
      request.headers.authorization === `Bearer ${used}`
        ? false
        : answer(401, { 'www-authenticate': `Bearer realm="${registry.url}/token"` })(request, response)
    registry.on(/ \/token/, answer(200, {}, it))
    const asked = upstreamOf(t, registry).manifest(repositoryAt(), tagOf('1'), within())
    if (used === undefined) await t.rejects(asked, { code: 'BAD_ANSWER', message: /no usable token/ }, it)
    else t.ok(await asked, it)
  }
})

t.test('case 168: a token lives as long as it says, but from a minute to an hour', async t => {
  const table = [
    { says: 300, within: 289, after: 291 },
    { says: 0, within: 49, after: 51 },
    { says: -1, within: 49, after: 51 },
    { says: 'soon', within: 49, after: 51 },
    { says: null, within: 49, after: 51 },
    { says: 1e12, within: 3589, after: 3591 },
  ]
  for (const { says, within: seconds, after } of table) {
    const registry = await registryWith(t, 'team/app')
    const tokens = tokenGuard({ url: registry.url, expiresIn: says })
    registry.guard = tokens.guard
    const upstream = upstreamOf(t, registry)
    const begun = performance.now()
    const ageOf = (age: number) => t.intercept(performance, 'now', { value: () => begun + age * 1000 })
    t.ok(await upstream.manifest(repositoryAt(), tagOf('1'), within()))
    for (const [age, issued] of [
      [seconds, 1],
      [after, 2],
    ] as const) {
      registry.requests.length = 0
      const clock = ageOf(age)
      await new Promise(resolve => setTimeout(resolve, 20))
      t.ok(await upstream.manifest(repositoryAt(), tagOf('1'), within()))
      clock.restore()
      t.equal(tokens.issued.length, issued, `expires_in ${says}, after ${age} s`)
      t.equal(registry.count('manifests/1'), 1, 'no request with a token that is over')
    }
  }
})

t.test('where tokens come from is asked once for the registry, not for each repository', async t => {
  const registry = await registryWith(t, 'team/app', 'team/other')
  registry.guard = tokenGuard({ url: registry.url }).guard
  const upstream = upstreamOf(t, registry)
  t.ok(await upstream.manifest(repositoryAt('team/app'), tagOf('1'), within()))
  registry.requests.length = 0
  t.ok(await upstream.manifest(repositoryAt('team/other'), tagOf('1'), within()))
  t.match(registry.requests, [/^GET \/token/, /team\/other\/manifests\/1$/])
  t.equal(registry.requests.length, 2)
})

t.test('a password that was changed is taken up', async t => {
  const registry = await registryWith(t, 'team/app')
  let now = user
  registry.guard = basicGuard(user)
  const upstream = upstreamOf(t, registry, { credentials: async () => now })
  t.ok(await upstream.manifest(repositoryAt(), tagOf('1'), within()))
  now = { kind: 'password', username: 'reader', password: 'another' }
  registry.guard = basicGuard(now)
  t.ok(await upstream.manifest(repositoryAt(), tagOf('1'), within()))
})

t.test("the registry's own words are in the error, the credentials are not (section 7.7)", async t => {
  const registry = await registryWith(t, 'team/app')
  const tokens = tokenGuard({ url: registry.url, user })
  registry.guard = tokens.guard
  const upstream = upstreamOf(t, registry, { credentials: async () => user })
  t.ok(await upstream.manifest(repositoryAt(), tagOf('1'), within()))
  registry.on(/manifests/, (request, response) => {
    const message = `slow down, ${request.headers.authorization} of ${user.password}`
    const body = JSON.stringify({ errors: [{ code: 'TOOMANYREQUESTS', message }] })
    return answer(429, { 'retry-after': 7 }, body)(request, response)
  })
  const error: unknown = await upstream.manifest(repositoryAt(), tagOf('1'), within()).catch((one: unknown) => one)
  t.match(error, {
    code: 'RATE_LIMITED',
    status: 429,
    retryAfterSeconds: 7,
    message: /answered 429 .* \(TOOMANYREQUESTS: slow down, Bearer … of …\)$/,
  })
  t.notMatch(shown(error), 'token-1')
  t.notMatch(shown(error), user.password)
})

t.test('an error without an end, or without sense, is the status that it has', async t => {
  for (const script of [
    (...args: Parameters<EvilRegistry['script']>) => (args[1].writeHead(500), endless500(...args)),
    answer(500, {}, '<html>'),
    answer(500, { 'content-encoding': 'gzip' }, 'x'),
  ]) {
    const registry = await registryWith(t, 'team/app')
    registry.on(/manifests/, script)
    const upstream = upstreamOf(t, registry)
    await t.rejects(upstream.manifest(repositoryAt(), tagOf('1'), within()), {
      code: 'SERVER_ERROR',
      complaints: { length: 0 },
    })
  }
})

function endless500(...[request, response]: Parameters<EvilRegistry['script']>): boolean {
  response.write(Buffer.alloc(128 * 1024, 'x'))
  request.on('close', () => response.destroy())
  return true
}

t.test('case 204: a drip is cut off by the time of the whole', async t => {
  const registry = await registryWith(t, 'team/app')
  registry.on(/manifests/, drip(50))
  const upstream = upstreamOf(t, registry)
  await t.rejects(upstream.manifest(repositoryAt(), tagOf('1'), within(700)), { code: 'TIMED_OUT' })
})

t.test('a registry that says when to come again is not asked before, for any repository, and then it is', async t => {
  const registry = await registryWith(t, 'team/app', 'team/other')
  const upstream = upstreamOf(t, registry)
  const ask = async (path: string): Promise<unknown> => upstream.manifest(repositoryAt(path), tagOf('1'), within())
  registry.script = answer(429, {})
  await t.rejects(ask('team/app'), { code: 'RATE_LIMITED' })
  await t.rejects(ask('team/app'), { code: 'RATE_LIMITED' })
  t.equal(registry.requests.length, 2, 'one that does not say is asked again')
  registry.script = answer(429, { 'retry-after': 1 })
  await t.rejects(ask('team/app'), { code: 'RATE_LIMITED', retryAfterSeconds: 1 })
  registry.script = () => false
  await t.rejects(ask('team/app'), { code: 'RATE_LIMITED', status: 429, retryAfterSeconds: 1 })
  await t.rejects(ask('team/other'), { message: /has had too many requests, and wants none for another 1 s$/ })
  t.equal(registry.requests.length, 3)
  await new Promise(resolve => setTimeout(resolve, 1050))
  t.ok(await ask('team/app'))
})

t.test('manifests rest and blobs do not, or the other way: registries count them apart', async t => {
  for (const [limited, isLimited] of [
    ['manifests', /manifests/],
    ['blobs', /blobs/],
  ] as const) {
    const registry = await registryWith(t, 'team/app')
    const blob = blobOf(Buffer.alloc(1000, 1))
    registry.blobs.set(`team/app ${blob.digest}`, blob)
    registry.on(isLimited, answer(429, { 'retry-after': 60 }))
    const upstream = upstreamOf(t, registry)
    const manifest = async (): Promise<unknown> => upstream.manifest(repositoryAt(), tagOf('1'), within())
    const part = async (): Promise<unknown> => upstream.blob(repositoryAt(), descriptorOf(blob), within())
    const [refused, given] = limited === 'manifests' ? [manifest, part] : [part, manifest]
    await t.rejects(refused(), { code: 'RATE_LIMITED', message: /answered 429/ }, limited)
    await t.rejects(refused(), { code: 'RATE_LIMITED', message: /wants none for another \d+ s$/ }, limited)
    t.ok(await given(), limited)
  }
})
