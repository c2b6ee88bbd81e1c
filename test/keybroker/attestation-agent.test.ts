import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { createServer, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { status } from '@grpc/grpc-js'
import t, { type Test } from 'tap'
import { MAX_RESOURCE_BYTES } from '../../src/keybroker/broker.ts'
import { openKeyBroker, type KeyBrokerOptions } from '../../src/keybroker/open-broker.ts'
import { startApiServerRest } from '../support/api-server-rest.ts'
import { startAttestationAgent, type TestAgentOptions } from '../support/attestation-agent.ts'
import { resourcesFile, type Resources } from '../support/resources-file.ts'
import { expectError, named, NEVER, textOf } from './expect-error.ts'

const KEY = 'kbs:///default/cosign-public-key/test'
const OF_2022: Resources = { from: 'map', map: { Policy: 'policy of 2022', 'Cosign Key': 'key of 2022' } }
const OF_2023: Resources = {
  from: 'map',
  map: {
    'default/security-policy/test': 'policy of 2023',
    'default/cosign-public-key/test': 'key of 2023',
    'a/b/c': 'x',
  },
}

type Kind = 'attestation-agent-2022' | 'attestation-agent-2023' | 'cdh-grpc'

async function start(t: Test, kind: Kind, options: TestAgentOptions, more: Partial<KeyBrokerOptions> = {}) {
  const agent = await startAttestationAgent(options)
  const broker = openKeyBroker({ kind, address: agent.address, timeoutMs: 2000, ...more })
  t.teardown(async () => {
    broker.close()
    await agent.close()
  })
  return { agent, broker }
}

t.test('an agent of 2022 is asked by name', async t => {
  const { agent, broker } = await start(t, 'attestation-agent-2022', { generation: '2022', resources: OF_2022 })
  t.equal(await textOf(broker, 'Policy'), 'policy of 2022')
  t.equal(await textOf(broker, KEY), 'key of 2022', 'a path with a name is asked for by it')
  t.same(agent.requests, [
    { KbcName: 'offline_fs_kbc', KbsUri: 'null', ResourceDescription: '{"name":"Policy","optional":{}}' },
    { KbcName: 'offline_fs_kbc', KbsUri: 'null', ResourceDescription: '{"name":"Cosign Key","optional":{}}' },
  ])
  await expectError(t, broker, 'kbs:///a/b/c', { code: 'BAD_NAME', says: /no name that an agent of 2022 knows/ })
  await expectError(t, broker, 'Nope', { code: 'REFUSED', says: /INTERNAL .*unknown resource name: Nope.*restart it/ })
  t.equal(agent.requests.length, 3, 'a name that cannot be asked for is not')
})

t.test('an agent of 2023 is asked by path', async t => {
  const { agent, broker } = await start(
    t,
    'attestation-agent-2023',
    { generation: '2023', resources: OF_2023, kbcs: ['cc_kbc'] },
    { aaKbcParams: 'cc_kbc::http://[::1]:8080' },
  )
  t.equal(await textOf(broker, 'kbs:///a/b/c'), 'x')
  t.equal(await textOf(broker, 'Policy'), 'policy of 2023', 'a name with a path is asked for by it')
  t.same(agent.requests, [
    { ResourcePath: '/a/b/c', KbcName: 'cc_kbc', KbsUri: 'http://[::1]:8080' },
    { ResourcePath: '/default/security-policy/test', KbcName: 'cc_kbc', KbsUri: 'http://[::1]:8080' },
  ])
  await expectError(t, broker, 'Credential', { code: 'BAD_NAME', says: /a name of 2022 without a path/ })
  await expectError(t, broker, 'kbs:///a/b/d', { code: 'REFUSED', says: /unknown resource name: a\/b\/d.*restart it/ })
})

t.test('a hub is asked by URI', async t => {
  const { agent, broker } = await start(t, 'cdh-grpc', { generation: 'cdh', resources: OF_2023 })
  t.equal(await textOf(broker, 'Cosign Key'), 'key of 2023')
  t.same(agent.requests, [{ ResourcePath: KEY }])
  await expectError(t, broker, 'kbs:///a/b/d', { code: 'REFUSED', says: /\[CDH\] \[ERROR\]: Get Resource failed/ })
})

t.test('the wrong generation is named', async t => {
  const table: readonly {
    readonly configured: Kind
    readonly there: TestAgentOptions['generation']
    readonly says: RegExp
  }[] = [
    { configured: 'attestation-agent-2022', there: '2023', says: /agent of 2023 .*kind: attestation-agent-2023/ },
    { configured: 'attestation-agent-2023', there: '2022', says: /agent of 2022 .*kind: attestation-agent-2022/ },
    { configured: 'attestation-agent-2022', there: '2023-02', says: /February 2023, which is in no release/ },
    { configured: 'attestation-agent-2023', there: '2023-02', says: /February 2023, which is in no release/ },
    { configured: 'attestation-agent-2022', there: 'cdh', says: /confidential-data-hub .*kind: cdh-grpc/ },
    { configured: 'attestation-agent-2023', there: 'cdh', says: /confidential-data-hub .*kind: cdh-grpc/ },
    { configured: 'cdh-grpc', there: '2022', says: /attestation-agent .*kind: attestation-agent-2023 or/ },
    { configured: 'cdh-grpc', there: '2023', says: /attestation-agent .*kind: attestation-agent-2023 or/ },
  ]
  for (const { configured, there, says } of table) {
    await t.test(`${configured} asks ${there}`, async t => {
      const { broker } = await start(t, configured, { generation: there, resources: OF_2023 })
      await expectError(t, broker, 'Cosign Key', { code: 'WRONG_GENERATION', says })
    })
  }
})

t.test('an unknown KBC is no wrong generation', async t => {
  for (const [kind, generation] of [
    ['attestation-agent-2022', '2022'],
    ['attestation-agent-2023', '2023'],
  ] as const) {
    const { broker } = await start(t, kind, { generation, resources: OF_2023 }, { aaKbcParams: 'cc_kbc::null' })
    await expectError(t, broker, 'Policy', { code: 'REFUSED', says: /given KBC module! Module: cc_kbc/ })
  }
})

t.test('another program cannot pass for another generation by quoting', async t => {
  const { agent, broker } = await start(t, 'attestation-agent-2023', { generation: '2023', resources: OF_2023 })
  const details = 'AA does not support the given KBC module! Module: /default/cosign-public-key/test'
  agent.setFault({ kind: 'status', code: status.INTERNAL, details })
  await expectError(t, broker, KEY, { code: 'REFUSED' })
})

t.test('agents read their file once, hubs for every call', async t => {
  const dir = t.testdir({ 'resources.json': resourcesFile({ Policy: 'old', 'default/security-policy/test': 'old' }) })
  const path = join(dir, 'resources.json')
  for (const [kind, generation, then] of [
    ['attestation-agent-2022', '2022', 'old'],
    ['attestation-agent-2023', '2023', 'old'],
    ['cdh-grpc', 'cdh', 'new'],
  ] as const) {
    writeFileSync(path, resourcesFile({ Policy: 'old', 'default/security-policy/test': 'old' }))
    const { agent, broker } = await start(t, kind, { generation, resources: { from: 'file', path } })
    t.equal(await textOf(broker, 'Policy'), 'old', kind)
    writeFileSync(path, resourcesFile({ Policy: 'new', 'default/security-policy/test': 'new' }))
    t.equal(await textOf(broker, 'Policy'), then, kind)
    await agent.stop()
    await expectError(t, broker, 'Policy', { code: 'NOT_REACHABLE' })
    await agent.start()
    t.equal(await eventually(() => textOf(broker, 'Policy')), 'new', 'after a restart')
  }
})

t.test('a broken file is refused in the words of the agent (case 188)', async t => {
  const dir = t.testdir({ 'resources.json': '{"default/a/b":"!!!!","default/cosign-public-key/test":"eA=="}' })
  const table: readonly (readonly [path: string, says: RegExp])[] = [
    [join(dir, 'resources.json'), /Failed to decode resource for default\/a\/b: Invalid byte 33, offset 0\./],
    [join(dir, 'absent.json'), /No such file or directory \(os error 2\)/],
  ]
  for (const [path, says] of table) {
    const resources: Resources = { from: 'file', path }
    const { broker } = await start(t, 'attestation-agent-2023', { generation: '2023', resources })
    await expectError(t, broker, KEY, { code: 'REFUSED', says })
  }
})

t.test('faults (cases 184 to 187, 193)', async t => {
  const table = [
    { it: 'hangs', fault: { kind: 'hang' }, code: 'TIMED_OUT', says: /no answer in time/ },
    { it: 'is slow', fault: { kind: 'slow', ms: 1500 }, code: 'TIMED_OUT' },
    { it: 'takes bytes and is silent', fault: { kind: 'connection', fault: 'silence' }, code: 'TIMED_OUT' },
    { it: 'resets', fault: { kind: 'connection', fault: 'reset' }, code: 'NOT_REACHABLE' },
    { it: 'is no gRPC', fault: { kind: 'connection', fault: 'not-http' }, code: 'NOT_REACHABLE' },
    { it: 'answers nothing', fault: { kind: 'bytes', bytes: Buffer.alloc(0) }, code: 'EMPTY', says: /is empty/ },
    { it: 'answers blanks', fault: { kind: 'bytes', bytes: Buffer.from(' \r\n\t') }, code: 'EMPTY' },
    {
      it: 'answers 1 MiB and a byte',
      fault: { kind: 'bytes', bytes: Buffer.alloc(MAX_RESOURCE_BYTES + 1, 'x') },
      code: 'TOO_LARGE',
      says: /larger than 1 MiB/,
    },
    {
      it: 'answers 8 MiB',
      fault: { kind: 'bytes', bytes: Buffer.alloc(8 << 20, 'x') },
      code: 'TOO_LARGE',
      says: /larger than 1 MiB/,
    },
    {
      it: 'is exhausted',
      fault: { kind: 'status', code: status.RESOURCE_EXHAUSTED, details: 'busy' },
      code: 'REFUSED',
    },
    { it: 'wants a login', fault: { kind: 'status', code: status.UNAUTHENTICATED, details: 'who' }, code: 'REFUSED' },
    {
      it: 'is not available',
      fault: { kind: 'status', code: status.UNAVAILABLE, details: 'no' },
      code: 'NOT_REACHABLE',
    },
    {
      it: 'lacks the method',
      fault: { kind: 'status', code: status.UNIMPLEMENTED, details: '' },
      code: 'WRONG_GENERATION',
    },
    {
      it: 'says a lot',
      fault: { kind: 'status', code: status.INTERNAL, details: `a\u001b[31m\nb ${'y'.repeat(3000)}` },
      code: 'REFUSED',
    },
  ] as const
  for (const { it, fault, code, ...more } of table) {
    await t.test(`a broker that ${it}`, async t => {
      const options = { generation: '2023', resources: OF_2023 } as const
      const { agent, broker } = await start(t, 'attestation-agent-2023', options, { timeoutMs: 800 })
      t.equal(await textOf(broker, KEY), 'key of 2023')
      agent.setFault(fault)
      await expectError(t, broker, KEY, { code, ...more })
      agent.setFault({ kind: 'none' })
      t.equal(await eventually(() => textOf(broker, KEY)), 'key of 2023', 'and is believed again when it is well')
    })
  }
})

t.test('exactly 1 MiB is taken', async t => {
  const { agent, broker } = await start(t, 'attestation-agent-2023', { generation: '2023', resources: OF_2023 })
  agent.setFault({ kind: 'bytes', bytes: Buffer.alloc(MAX_RESOURCE_BYTES, 'x') })
  t.equal((await broker.get(named(KEY), NEVER)).byteLength, MAX_RESOURCE_BYTES)
})

t.test('a connection that died without a word is dropped before the deadline (case 186)', async t => {
  const options = { generation: '2023', resources: OF_2023 } as const
  const { agent, broker } = await start(t, 'attestation-agent-2023', options, { timeoutMs: 20_000 })
  t.equal(await textOf(broker, KEY), 'key of 2023')
  agent.setFault({ kind: 'connection', fault: 'half-open' })
  await expectError(t, broker, KEY, { code: 'NOT_REACHABLE' })
  t.equal(await eventually(() => textOf(broker, KEY)), 'key of 2023', 'the next call dials anew')
})

t.test('a broker that was never there', async t => {
  const broker = openKeyBroker({ kind: 'attestation-agent-2022', address: '127.0.0.1:1' })
  t.teardown(broker.close)
  await expectError(t, broker, 'Policy', {
    code: 'NOT_REACHABLE',
    says: /cannot be reached: "connect ECONNREFUSED 127\.0\.0\.1:1"$/,
  })
})

t.test('no variable of the environment puts a proxy before the broker', async t => {
  t.intercept(process, 'env', { value: { ...process.env, grpc_proxy: 'http://127.0.0.1:1', no_proxy: '' } })
  const { broker } = await start(t, 'attestation-agent-2023', { generation: '2023', resources: OF_2023 })
  t.equal(await textOf(broker, KEY), 'key of 2023')
})

t.test('an HTTP port instead', async t => {
  const rest = await startApiServerRest({ resources: OF_2023 })
  t.teardown(rest.close)
  for (const kind of ['attestation-agent-2022', 'attestation-agent-2023', 'cdh-grpc'] as const) {
    const broker = openKeyBroker({ kind, address: rest.address.replace('http://', '') })
    await expectError(t, broker, KEY, { code: 'WRONG_GENERATION', says: /does not speak gRPC.*kind: cdh/ })
    broker.close()
  }
})

t.test('a caller gives up', async t => {
  const { agent, broker } = await start(t, 'attestation-agent-2023', { generation: '2023', resources: OF_2023 })
  agent.setFault({ kind: 'hang' })
  const stop = new AbortController()
  const call = broker.get(named(KEY), stop.signal)
  stop.abort(new Error('shutting down'))
  await t.rejects(call, { message: 'shutting down' }, 'the reason is thrown')
  await t.rejects(broker.get(named(KEY), stop.signal), { message: 'shutting down' }, 'also before the call')
  await t.rejects(broker.get(named(KEY), AbortSignal.timeout(50)), { code: 'TIMED_OUT' })
})

t.test('unix sockets (case 193)', async t => {
  const dir = shortDirectory(t)
  writeFileSync(join(dir, 'file'), 'x')
  const socket = join(dir, 'agent.sock')
  const { agent, broker } = await start(t, 'attestation-agent-2023', { generation: '2023', resources: OF_2023, socket })
  t.equal(agent.address, `unix:${socket}`)
  t.equal(await textOf(broker, KEY), 'key of 2023')

  symlinkSync(socket, join(dir, 'link.sock'))
  mkdirSync(join(dir, 'directory'))
  const table: readonly (readonly [string, 'UNSAFE_SOCKET' | 'NOT_REACHABLE', RegExp])[] = [
    ['link.sock', 'UNSAFE_SOCKET', /symbolic link/],
    ['file', 'UNSAFE_SOCKET', /not a socket/],
    ['directory', 'UNSAFE_SOCKET', /not a socket/],
    ['absent.sock', 'NOT_REACHABLE', /ENOENT/],
  ]
  for (const [name, code, says] of table) {
    const other = openKeyBroker({ kind: 'attestation-agent-2023', address: `unix://${join(dir, name)}` })
    await expectError(t, other, KEY, { code, says })
    other.close()
  }
  chmodSync(dir, 0o777)
  t.equal(await textOf(broker, KEY), 'key of 2023', 'a socket of ours is taken from a directory for everybody')
})

t.test(
  "somebody else's socket (case 193)",
  { skip: process.getuid?.() !== 0 && 'only root can give a socket away' },
  async t => {
    const dir = shortDirectory(t)
    const socket = join(dir, 'agent.sock')
    const { broker } = await start(t, 'attestation-agent-2023', { generation: '2023', resources: OF_2023, socket })
    chownSync(socket, 54_321, 54_321)
    chmodSync(dir, 0o755)
    t.equal(await textOf(broker, KEY), 'key of 2023', 'where only the owner can write, the directory is the guard')
    for (const mode of [0o777, 0o1777]) {
      chmodSync(dir, mode)
      await expectError(t, broker, KEY, {
        code: 'UNSAFE_SOCKET',
        says: /belongs to user 54321 and everybody may write/,
      })
    }
  },
)

t.test('case 193: a broker whose answer is a bomb is no broker, at once and without the memory', async t => {
  const manyFields = Object.fromEntries(Array.from({ length: 20_000 }, (_, at) => [`x-${at}`, 'v'.repeat(100)]))
  const grpc = { ':status': 200, 'content-type': 'application/grpc' }
  const one = Buffer.from([0, 0, 0, 0, 3, 10, 1, 65])
  // A resource of 64 MiB of zeros, in 64 KiB: its field 1 (protobuf: 0x0a, the length in seven bits a byte), and all of it.
  const field = Buffer.alloc(64 << 20)
  const length = field.length - 5
  field.set([0x0a, length | 0x80, (length >> 7) | 0x80, (length >> 14) | 0x80, length >> 21])
  const gzipped = gzipSync(field)
  const compressed = Buffer.concat([Buffer.from([1]), Buffer.alloc(4), gzipped])
  compressed.writeUInt32BE(gzipped.length, 1)
  const declared = Buffer.from([0, 0x7f, 0xff, 0xff, 0xff, 10])
  const table: readonly (readonly [string, OutgoingHttpHeaders, Buffer, OutgoingHttpHeaders])[] = [
    ['20,000 fields of metadata before', { ...grpc, ...manyFields }, one, {}],
    ['and after', grpc, one, manyFields],
    ['a field of 8 MB before', { ...grpc, 'x-big': 'v'.repeat(8_000_000) }, one, {}],
    ['and after', grpc, one, { 'x-big': 'v'.repeat(8_000_000) }],
    ['a message of 64 MiB in 64 KiB', { ...grpc, 'grpc-encoding': 'gzip' }, compressed, {}],
    ['a message that says that it has 2 GiB', grpc, declared, {}],
  ]
  for (const [name, headers, body, trailers] of table) {
    const server = createServer({ maxSendHeaderBlockLength: 1 << 30 })
    server.on('stream', (stream: ServerHttp2Stream) => {
      stream.on('error', () => undefined)
      stream.respond(headers, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', ...trailers }))
      stream.end(body)
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const broker = openKeyBroker({ kind: 'attestation-agent-2023', address: `127.0.0.1:${port}`, timeoutMs: 10_000 })
    const began = performance.now()
    await t.rejects(broker.get(named(KEY), NEVER), { code: /^(REFUSED|BAD_ANSWER|TOO_LARGE)$/ }, name)
    t.ok(performance.now() - began < 5000, `${name}: at once`)
    broker.close()
    server.close()
  }
})

/** A socket's path has at most 107 bytes, which a checkout's own path may use up. */
function shortDirectory(t: Test): string {
  const dir = mkdtempSync(join(tmpdir(), 'kb-'))
  t.teardown(() => rmSync(dir, { recursive: true }))
  return dir
}

/** A channel dials again only after a pause. */
async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  const until = Date.now() + 8000
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (Date.now() > until) throw error
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }
}
