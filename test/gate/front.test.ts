import { createHash } from 'node:crypto'
import { copyFileSync, writeFileSync } from 'node:fs'
import { Agent, request, type RequestOptions } from 'node:https'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { hashSync } from 'bcryptjs'
import t from 'tap'
import { createLogger } from '../../src/observe/logger.ts'
import { createAuthority } from '../support/certificates.ts'
import { startEvilRegistry } from '../support/evil-registry.ts'
import { startGate, temporaryDirectory, writePolicy } from '../support/gate.ts'
import { imageOf } from '../support/signer.ts'
import { get, scene } from './scene.ts'

const basic = (user: string, password: string): { authorization: string } => ({
  authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
})

/** Until something that was written to disk counts. */
async function until(isSo: () => Promise<boolean>): Promise<boolean> {
  for (let look = 0; look < 50; look += 1) {
    if (await isSo()) return true
    await sleep(100)
  }
  return false
}

t.test('nothing of /v2 is answered without a login', async t => {
  const file = join(temporaryDirectory(t), 'users')
  writeFileSync(file, `ann:${hashSync('one', 4)}\n`)
  const { registry, signer, url, adminUrl } = await scene(t, { config: { auth: { kind: 'htpasswd', file } } })
  registry.putSigned('test', '1', signer, 'example.org')
  const paths = [
    '/v2/',
    '/v2',
    '/v2/test/manifests/1',
    `/v2/test/blobs/sha256:${'0'.repeat(64)}`,
    '/v2/test/tags/list',
    '/v2/elsewhere.example/test/manifests/1',
    '/v2/_catalog',
    '/nothing',
  ]
  const table = [
    { it: 'nothing', headers: {} },
    { it: 'a wrong password', headers: basic('ann', 'two') },
    { it: 'an unknown user', headers: basic('bob', 'one') },
    { it: 'a token', headers: { authorization: 'Bearer one' } },
    { it: 'no credentials at all', headers: { authorization: 'x' } },
  ]
  for (const { it, headers } of table) {
    for (const path of paths) {
      const answer = await get(`${url}${path}`, { headers })
      t.equal(answer.status, 401, `${path} with ${it}`)
      t.equal(answer.code, 'UNAUTHORIZED')
      t.equal(answer.headers.get('www-authenticate'), 'Basic realm="sealgate"')
    }
  }
  for (const method of ['HEAD', 'POST', 'PUT', 'DELETE'])
    t.equal((await get(`${url}/v2/`, { method })).status, 401, method)
  t.equal(registry.requests.length, 0, 'no upstream has been asked')
  const headers = basic('ann', 'one')
  t.equal((await get(`${url}/v2/`, { headers })).status, 200)
  t.equal((await get(`${url}/v2/test/manifests/1`, { headers })).status, 200)
  t.equal((await get(`${adminUrl}/healthz`)).status, 200, 'the admin port stays open')
  t.equal((await get(`${adminUrl}/readyz`)).status, 200)
})

t.test('case 152: a login is neither sent upstream nor logged; the decision has the user', async t => {
  const directory = temporaryDirectory(t)
  const file = join(directory, 'users')
  writeFileSync(file, `ann:${hashSync('one-secret', 4)}\n`)
  const registry = await startEvilRegistry(t)
  registry.put('test', imageOf('test'), '1')
  const lines: string[] = []
  const logger = createLogger('debug', { write: (line: string) => void lines.push(line) })
  const { url } = await startGate(
    t,
    {
      policy: writePolicy(directory, { default: [{ type: 'insecureAcceptAnything' }] }),
      defaultRegistry: 'example.org',
      registries: { 'example.org': { url: registry.url } },
      auth: { kind: 'htpasswd', file },
    },
    logger,
  )
  const headers = basic('ann', 'one-secret')
  t.equal((await get(`${url}/v2/test/manifests/1`, { headers })).status, 200)
  await get(`${url}/v2/test/manifests/1`, { headers: basic('ann', 'wrong-secret') })
  t.ok(registry.headers.length > 0)
  for (const sent of registry.headers) t.equal(sent.authorization, undefined)
  const decision = lines.map(line => JSON.parse(line)).find(({ verdict }) => verdict === 'accepted')
  t.equal(decision?.user, 'ann')
  const secrets = ['one-secret', 'wrong-secret', headers.authorization.slice('Basic '.length)]
  for (const secret of secrets) t.notOk(lines.join('').includes(secret), 'no secret in the log')
})

t.test('tokens, by bearer and by docker login; a changed file counts, a broken one does not', async t => {
  const file = join(temporaryDirectory(t), 'tokens')
  const lineOf = (name: string, token: string): string =>
    `${name}: ${createHash('sha256').update(token).digest('hex')}\n`
  writeFileSync(file, lineOf('ci', 'token-1'))
  const { url } = await scene(t, { config: { auth: { kind: 'tokens', file } } })
  const status = async (headers: Record<string, string>): Promise<number> =>
    (await get(`${url}/v2/`, { headers })).status
  t.equal(await status({ authorization: 'Bearer token-1' }), 200)
  t.equal(await status(basic('ci', 'token-1')), 200)
  t.equal(await status({ authorization: 'Bearer token-2' }), 401)
  writeFileSync(file, lineOf('ci', 'token-2'))
  t.ok(await until(async () => (await status({ authorization: 'Bearer token-2' })) === 200), 'the new token')
  t.equal(await status({ authorization: 'Bearer token-1' }), 401, 'the old one no longer')
  writeFileSync(file, 'ci: not a hash\n')
  await sleep(1500)
  t.equal(await status({ authorization: 'Bearer token-2' }), 200, 'the last good users stay in force')
})

t.test('a file of users that cannot be used stops the start', async t => {
  const file = join(temporaryDirectory(t), 'users')
  await t.rejects(scene(t, { config: { auth: { kind: 'htpasswd', file } } }), /auth\.file: .*does not exist/)
  writeFileSync(file, 'ann:secret')
  await t.rejects(scene(t, { config: { auth: { kind: 'htpasswd', file } } }), /line 1: what ann has is no bcrypt hash/)
})

t.test('rates: by address before any password is looked at, by user after', async t => {
  const perAddress = await scene(t, { config: { rateLimits: { perAddress: { perSecond: 0.01, burst: 3 } } } })
  for (let count = 0; count < 3; count += 1) t.equal((await perAddress.pull('')).status, 200)
  const late = await perAddress.pull('test/manifests/1')
  t.equal(late.status, 429)
  t.equal(late.code, 'TOOMANYREQUESTS')
  t.match(late.headers.get('retry-after'), /^[1-9][0-9]*$/)
  t.equal(perAddress.registry.requests.length, 0)
  t.equal((await get(`${perAddress.adminUrl}/healthz`)).status, 200)

  const file = join(temporaryDirectory(t), 'users')
  writeFileSync(file, `ann:${hashSync('one', 4)}\nbob:${hashSync('two', 4)}\n`)
  const config = { auth: { kind: 'htpasswd', file }, rateLimits: { perUser: { perSecond: 0.01, burst: 1 } } }
  const perUser = await scene(t, { config })
  const status = async (user: string, password: string): Promise<number> =>
    (await perUser.pull('', { headers: basic(user, password) })).status
  t.equal(await status('ann', 'one'), 200)
  t.equal(await status('ann', 'one'), 429)
  t.equal(await status('bob', 'two'), 200, 'another user is another matter')
  t.equal(await status('ann', 'wrong'), 401, 'and who is nobody uses up nobody’s share')
})

type TlsAnswer = { readonly status: number | undefined; readonly serial: string; readonly reused: boolean }

async function getTls(url: string, options: RequestOptions): Promise<TlsAnswer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, options, response => {
      const socket = response.socket as TLSSocket
      const answer = { status: response.statusCode, serial: socket.getPeerCertificate().serialNumber }
      response.resume().once('end', () => resolve({ ...answer, reused: sent.reusedSocket }))
    })
    sent.once('error', reject)
    sent.end()
  })
}

t.test('TLS: a new certificate is used for the next handshake, and open connections stay', async t => {
  const directory = temporaryDirectory(t)
  const authority = createAuthority(directory, 'ca')
  const [first, second] = [authority.issue('first'), authority.issue('second')]
  const [cert, key] = [join(directory, 'tls.crt'), join(directory, 'tls.key')]
  copyFileSync(first.certFile, cert)
  copyFileSync(first.keyFile, key)
  const { url } = await scene(t, { config: { tls: { cert, key } } })
  t.match(url, /^https:/)
  const agent = new Agent({ keepAlive: true, ca: authority.pem, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const anew = (): Promise<TlsAnswer> => getTls(`${url}/v2/`, { ca: authority.pem, agent: false })
  const before = await getTls(`${url}/v2/`, { agent })
  t.equal(before.status, 200)
  copyFileSync(second.certFile, cert)
  await sleep(1500)
  t.equal((await anew()).serial, before.serial, 'half of a pair changes nothing')
  copyFileSync(second.keyFile, key)
  t.ok(await until(async () => (await anew()).serial !== before.serial), 'a new handshake has the new certificate')
  const kept = await getTls(`${url}/v2/`, { agent })
  t.same([kept.status, kept.reused, kept.serial], [200, true, before.serial], 'the old connection is still there')
  await t.rejects(getTls(`${url}/v2/`, { agent: false }), /self-signed|unable to/, 'by an authority of the test’s own')
})

/** Of one handshake: the protocol that was agreed on, and the certificate. */
async function handshake(url: string, options: ConnectionOptions): Promise<readonly [string | false | null, string]> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), ...options }, () => {
      resolve([socket.alpnProtocol, socket.getPeerCertificate().serialNumber])
      socket.destroy()
    })
    socket.once('error', reject)
  })
}

t.test('cases 148, 149: over TLS HTTP/1.1 alone is spoken, by whatever name the gate is called', async t => {
  const authority = createAuthority(temporaryDirectory(t), 'ca')
  const { certFile: cert, keyFile: key } = authority.issue('gate')
  const { url } = await scene(t, { config: { tls: { cert, key } } })
  const { serial } = await getTls(`${url}/v2/`, { ca: authority.pem, agent: false })
  const any = { ca: authority.pem, checkServerIdentity: () => undefined }
  for (const servername of ['localhost', 'LOCALHOST', 'LocalHost', 'other.example', `${'a'.repeat(63)}.example`, '_'])
    t.same(await handshake(url, { ...any, servername, ALPNProtocols: ['h2', 'http/1.1'] }), ['http/1.1', serial])
  await t.rejects(handshake(url, { ...any, ALPNProtocols: ['h2'] }), 'HTTP/2 alone is not agreed to')
  t.equal((await getTls(`${url}/v2/`, { ca: authority.pem, agent: false })).status, 200, 'and the gate goes on')
})

t.test('mutual TLS: without a certificate of the right authority there is no handshake', async t => {
  const directory = temporaryDirectory(t)
  const [authority, stranger] = [createAuthority(directory, 'ca'), createAuthority(directory, 'stranger')]
  const server = authority.issue('gate')
  const { url } = await scene(t, {
    config: {
      tls: { cert: server.certFile, key: server.keyFile, clientCa: authority.file },
      rateLimits: { perUser: { perSecond: 0.01, burst: 1 } },
    },
  })
  const { cert, key } = authority.issue('ann')
  const ask = (options: RequestOptions): Promise<TlsAnswer> =>
    getTls(`${url}/v2/`, { ca: authority.pem, agent: false, ...options })
  t.equal((await ask({ cert, key })).status, 200)
  t.equal((await ask({ cert, key })).status, 429, 'the certificate’s name is the user')
  const bob = authority.issue('bob')
  t.equal((await ask({ cert: bob.cert, key: bob.key })).status, 200)
  await t.rejects(ask({}))
  const other = stranger.issue('ann')
  await t.rejects(ask({ cert: other.cert, key: other.key }))
})
