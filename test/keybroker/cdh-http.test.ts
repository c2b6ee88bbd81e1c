import t, { type Test } from 'tap'
import { MAX_RESOURCE_BYTES } from '../../src/keybroker/broker.ts'
import { openKeyBroker } from '../../src/keybroker/open-broker.ts'
import { startApiServerRest } from '../support/api-server-rest.ts'
import { startAttestationAgent } from '../support/attestation-agent.ts'
import type { Resources } from '../support/resources-file.ts'
import { expectError, named, NEVER, textOf } from './expect-error.ts'

const KEY = 'kbs:///default/cosign-public-key/test'
const RESOURCES: Resources = { from: 'map', map: { 'default/cosign-public-key/test': 'the key' } }

async function start(t: Test, timeoutMs = 2000) {
  const rest = await startApiServerRest({ resources: RESOURCES })
  const broker = openKeyBroker({ kind: 'cdh', address: rest.address, timeoutMs })
  t.teardown(async () => {
    broker.close()
    await rest.close()
  })
  return { rest, broker }
}

t.test('a resource is asked for by its path', async t => {
  const { rest, broker } = await start(t)
  t.equal(await textOf(broker, KEY), 'the key')
  t.equal(await textOf(broker, 'Cosign Key'), 'the key', 'a name with a path is asked for by it')
  const target = 'GET /cdh/resource/default/cosign-public-key/test'
  t.same(rest.requests, [target, target])
  await expectError(t, broker, 'Credential', { code: 'BAD_NAME', says: /a name of 2022/ })
  await expectError(t, broker, 'kbs:///a/b/c', { code: 'REFUSED', says: /HTTP 500 "ttrpc request error".*look alike/ })
})

t.test('faults (cases 184 to 187)', async t => {
  const table = [
    { it: 'hangs', fault: { kind: 'hang' }, code: 'TIMED_OUT' },
    { it: 'is slow', fault: { kind: 'slow', ms: 1000 }, code: 'TIMED_OUT' },
    { it: 'stops in the middle', fault: { kind: 'stall' }, code: 'TIMED_OUT' },
    { it: 'drips', fault: { kind: 'drip', ms: 50 }, code: 'TIMED_OUT' },
    { it: 'takes bytes and is silent', fault: { kind: 'connection', fault: 'silence' }, code: 'TIMED_OUT' },
    {
      it: 'resets',
      fault: { kind: 'connection', fault: 'reset' },
      code: 'NOT_REACHABLE',
      says: /ECONNRESET|UND_ERR_SOCKET/,
    },
    {
      it: 'is no HTTP',
      fault: { kind: 'connection', fault: 'not-http' },
      code: 'WRONG_GENERATION',
      says: /does not speak HTTP\/1\.1/,
    },
    { it: 'has no hub', fault: { kind: 'hub-down' }, code: 'REFUSED', says: /ttrpc connect to CDH addr/ },
    {
      it: 'has the feature off',
      fault: { kind: 'feature-off' },
      code: 'REFUSED',
      says: /Resource Feature Not Enabled/,
    },
    { it: 'thinks we are far', fault: { kind: 'forbidden' }, code: 'REFUSED', says: /Forbidden.*local callers only/ },
    { it: 'answers nothing', fault: { kind: 'bytes', bytes: Buffer.alloc(0) }, code: 'EMPTY', says: /is empty/ },
    { it: 'answers blanks', fault: { kind: 'bytes', bytes: Buffer.from('\n\n') }, code: 'EMPTY' },
    {
      it: 'answers 1 MiB and a byte',
      fault: { kind: 'bytes', bytes: Buffer.alloc(MAX_RESOURCE_BYTES + 1, 'x') },
      code: 'TOO_LARGE',
    },
    { it: 'answers 204', fault: { kind: 'status', code: 204, text: '' }, code: 'BAD_ANSWER' },
    {
      it: 'compresses',
      fault: { kind: 'status', code: 200, text: 'x', headers: { 'content-encoding': 'gzip' } },
      code: 'BAD_ANSWER',
      says: /compressed/,
    },
    {
      it: 'has 64 KiB of headers',
      fault: { kind: 'status', code: 200, text: 'x', headers: { 'x-bomb': 'y'.repeat(65_536) } },
      code: 'BAD_ANSWER',
    },
    {
      it: 'says a lot',
      fault: { kind: 'status', code: 500, text: `\u001b[2J\n${'z'.repeat(1_000_000)}` },
      code: 'REFUSED',
    },
  ] as const
  for (const { it, fault, code, ...more } of table) {
    await t.test(`a broker that ${it}`, async t => {
      const { rest, broker } = await start(t, 500)
      t.equal(await textOf(broker, KEY), 'the key')
      rest.setFault(fault)
      await expectError(t, broker, KEY, { code, ...more })
      rest.setFault({ kind: 'none' })
      t.equal(await textOf(broker, KEY), 'the key', 'and is believed again when it is well')
    })
  }
})

t.test('a redirect is not followed (case 190)', async t => {
  const elsewhere = await start(t)
  const { rest, broker } = await start(t)
  const location = `${elsewhere.rest.address}/cdh/resource/default/cosign-public-key/test`
  for (const code of [301, 302, 307, 308]) {
    rest.setFault({ kind: 'status', code, text: '', headers: { location } })
    await expectError(t, broker, KEY, { code: 'BAD_ANSWER', says: /a redirect, which is not followed/ })
  }
  t.same(elsewhere.rest.requests, [])
})

t.test('exactly 1 MiB is taken', async t => {
  const { rest, broker } = await start(t)
  rest.setFault({ kind: 'bytes', bytes: Buffer.alloc(MAX_RESOURCE_BYTES, 'x') })
  t.equal((await broker.get(named(KEY), NEVER)).byteLength, MAX_RESOURCE_BYTES)
})

t.test('down, and up again', async t => {
  const { rest, broker } = await start(t)
  await rest.stop()
  await expectError(t, broker, KEY, { code: 'NOT_REACHABLE', says: /ECONNREFUSED/ })
  await rest.start()
  t.equal(await textOf(broker, KEY), 'the key')
})

t.test('a gRPC port instead', async t => {
  const agent = await startAttestationAgent({ generation: 'cdh', resources: RESOURCES })
  const broker = openKeyBroker({ kind: 'cdh', address: `http://${agent.address}`, timeoutMs: 1000 })
  t.teardown(async () => {
    broker.close()
    await agent.close()
  })
  await expectError(t, broker, KEY, { code: 'WRONG_GENERATION', says: /does not speak HTTP.*kind: cdh-grpc/ })
})

t.test('a caller gives up', async t => {
  const { rest, broker } = await start(t)
  rest.setFault({ kind: 'hang' })
  const stop = new AbortController()
  const call = broker.get(named(KEY), stop.signal)
  stop.abort(new Error('shutting down'))
  await t.rejects(call, { message: 'shutting down' })
  await t.rejects(broker.get(named(KEY), AbortSignal.timeout(50)), { code: 'TIMED_OUT' })
})
