import { chmodSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startEvilRegistry, type EvilRegistry } from '../support/evil-registry.ts'
import { startGate, temporaryDirectory, writePolicy } from '../support/gate.ts'
import { basicGuard } from '../support/registry-guard.ts'
import { imageOf } from '../support/signer.ts'
import { get, HOST } from './scene.ts'

type Test = Parameters<typeof startEvilRegistry>[0]

const USER = { username: 'reader', password: 's3cret-of-the-reader' }

async function start(t: Test, registry: EvilRegistry, settings: object): Promise<string> {
  registry.put('test', imageOf('a'), '1')
  const policy = writePolicy(temporaryDirectory(t), { default: [{ type: 'insecureAcceptAnything' }] })
  const registries = { [HOST]: { url: registry.url } }
  const cache = { tags: 0, refused: 0 }
  const { url } = await startGate(t, { policy, defaultRegistry: HOST, registries, cache, ...settings })
  return `${url}/v2/test/manifests/1`
}

t.test('credentials of a docker config.json', async t => {
  const registry = await startEvilRegistry(t)
  const { host } = new URL(registry.url)
  registry.guard = basicGuard(USER)
  const file = join(temporaryDirectory(t), 'config.json')
  const write = (value: unknown): void => {
    writeFileSync(`${file}.new`, typeof value === 'string' ? value : JSON.stringify(value))
    renameSync(`${file}.new`, file)
  }
  const entry = ({ username, password }: typeof USER): object => ({
    auths: { [host]: { auth: Buffer.from(`${username}:${password}`).toString('base64') } },
  })

  write({})
  const url = await start(t, registry, { dockerConfig: file })
  t.equal((await get(url)).status, 401, 'none for this host')
  write({ auths: { 'other.example': { username: USER.username, password: USER.password } } })
  t.equal((await get(url)).status, 401, 'another host’s are not tried')
  t.notOk(registry.headers.some(({ authorization }) => authorization !== undefined))
  write(entry(USER))
  t.equal((await get(url)).status, 200, 'a login that came later')
  const rotated = { ...USER, password: 'another' }
  registry.guard = basicGuard(rotated)
  write(entry(rotated))
  t.equal((await get(url)).status, 200, 'a rotated password')

  const helper = join(temporaryDirectory(t), 'docker-credential-gate-test')
  writeFileSync(helper, `#!/bin/sh\necho '{"Username":"${USER.username}","Secret":"${USER.password}"}'\n`)
  chmodSync(helper, 0o755)
  const path = process.env['PATH']
  process.env['PATH'] = `${join(helper, '..')}:${path}`
  t.teardown(() => (process.env['PATH'] = path))
  registry.guard = basicGuard(USER)
  write({ credHelpers: { [host]: 'gate-test' } })
  t.equal((await get(url)).status, 200, 'a helper')

  registry.guard = basicGuard(rotated)
  write('{ "auths": { "a": { "auth": "s3cret')
  const broken = await get(url)
  t.match(broken, { status: 503, code: 'UNAVAILABLE', message: /credentials \(dockerConfig\) cannot be read/ })
  t.notMatch(broken.message, /s3cret|config\.json/)
  rmSync(file)
  t.equal((await get(url)).status, 503, 'gone is not "none"')
})

t.test('an identity token is exchanged for tokens by POST', async t => {
  const registry = await startEvilRegistry(t)
  const forms: URLSearchParams[] = []
  registry.guard = (request, response) => {
    const target = new URL(request.url ?? '', registry.url)
    if (target.pathname === '/oauth2/token') {
      let body = ''
      request.setEncoding('utf8').on('data', (piece: string) => (body += piece))
      request.on('end', () => {
        forms.push(new URLSearchParams(body))
        const good = request.method === 'POST' && forms.at(-1)?.get('refresh_token') === 'refresh-of-the-reader'
        response.writeHead(good ? 200 : 401, { 'content-type': 'application/json' })
        response.end(good ? JSON.stringify({ access_token: 'granted', expires_in: 300 }) : '{}')
      })
      return true
    }
    if (request.headers.authorization === 'Bearer granted') return false
    const challenge = `Bearer realm="${registry.url}/oauth2/token",service="the registry"`
    response.writeHead(401, { 'www-authenticate': challenge }).end()
    return true
  }
  const file = join(temporaryDirectory(t), 'config.json')
  const { host } = new URL(registry.url)
  writeFileSync(file, JSON.stringify({ auths: { [host]: { identitytoken: 'refresh-of-the-reader' } } }))
  const url = await start(t, registry, { dockerConfig: file })
  t.equal((await get(url)).status, 200)
  t.same(Object.fromEntries(forms[0] ?? []), {
    grant_type: 'refresh_token',
    client_id: 'sealgate',
    refresh_token: 'refresh-of-the-reader',
    service: 'the registry',
    scope: 'repository:test:pull',
  })
  t.ok(
    registry.requests.every(request => !request.includes('refresh-of-the-reader')),
    'a refresh token is in no URL',
  )
  const guard = registry.guard
  registry.guard = (request, response) => {
    if (request.url !== '/oauth2/token') return guard(request, response)
    response.writeHead(401, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ errors: [{ code: 'UNAUTHORIZED', message: 'refresh-of-the-reader is not known' }] }))
    return true
  }
  const echoed = await get(await start(t, registry, { dockerConfig: file }))
  t.match(echoed, { status: 401, message: /is not known/ })
  t.notMatch(echoed.message, /refresh-of-the-reader/, 'what it is told back is not told on')
  registry.guard = basicGuard(USER)
  const basic = await get(await start(t, registry, { dockerConfig: file }))
  t.match(basic, { status: 401, message: /an identity token is all that is configured/ })
})

t.test('a registry’s own user comes before the docker configuration', async t => {
  const registry = await startEvilRegistry(t)
  registry.guard = basicGuard(USER)
  const file = join(temporaryDirectory(t), 'config.json')
  const { host } = new URL(registry.url)
  writeFileSync(file, JSON.stringify({ auths: { [host]: { username: 'other', password: 'other' } } }))
  const registries = { [HOST]: { url: registry.url, ...USER } }
  t.equal((await get(await start(t, registry, { dockerConfig: file, registries }))).status, 200)
})

t.test('what cannot be read at start is a configuration that cannot be used', async t => {
  const registry = await startEvilRegistry(t)
  const file = join(temporaryDirectory(t), 'config.json')
  await t.rejects(start(t, registry, { dockerConfig: file }), /dockerConfig: .* cannot be read \(ENOENT\)/)
  writeFileSync(file, '{"auths":{"a.example":{"auth":"s3cret"}}}')
  await t.rejects(start(t, registry, { dockerConfig: file }), /auths\["a\.example"\]\.auth: expected the base64/)
})
