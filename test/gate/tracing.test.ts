import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { parseTraceparent } from '../../src/observe/traceparent.ts'
import { startOtlpReceiver, treeOf, type ReceivedSpan } from '../support/otlp-receiver.ts'
import { ecdsaSigner, imageOf } from '../support/signer.ts'
import { get, scene, signedPolicy } from './scene.ts'

const SERVER = 2
const SENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'

function pulls(spans: readonly ReceivedSpan[]): readonly ReceivedSpan[] {
  return spans.filter(({ name }) => name === 'pull')
}

t.test('the tree of a cold pull, a cached one, a refusal and what is not there', async t => {
  const { url, spans, service } = await startOtlpReceiver(t)
  const { registry, signer, pull, gate } = await scene(t, {
    config: { tracing: { endpoint: url, serviceName: 'gate-1' }, cache: { tags: 10, refused: 0 } },
  })
  registry.putSigned('signed', '1', signer, 'example.org')
  registry.put('unsigned', imageOf('unsigned'), '1')
  const table = [
    {
      name: 'signed',
      status: 200,
      attributes: { verdict: 'accepted', cache: 'miss', scope: 'example.org', reason: 'policy' },
      tree: [
        'pull',
        '  manifest',
        '    upstream.manifest',
        '  verdict',
        '    signatures',
        '      upstream.blob',
        '      upstream.manifest',
        '      upstream.referrers',
        '    verification',
      ],
    },
    { name: 'signed', status: 200, attributes: { verdict: 'accepted', cache: 'hit' }, tree: ['pull'] },
    {
      name: 'unsigned',
      status: 403,
      attributes: { verdict: 'refused', reason: 'no-signature' },
      tree: [
        'pull',
        '  manifest',
        '    upstream.manifest',
        '  verdict',
        '    signatures',
        '      upstream.manifest',
        '      upstream.referrers',
        '    verification',
      ],
    },
    {
      name: 'missing',
      status: 404,
      attributes: { cache: undefined },
      tree: ['pull', '  manifest', '    upstream.manifest'],
    },
  ]
  for (const { name, status } of table) t.equal((await pull(`${name}/manifests/1`)).status, status, name)
  await gate.close()
  t.same([...new Set(service)], ['gate-1'])
  const roots = pulls(spans)
  t.equal(roots.length, table.length)
  for (const [index, { name, status, attributes, tree }] of table.entries()) {
    const root = roots[index]
    if (root === undefined) continue
    t.match(root, { kind: SERVER, parentSpanId: undefined, error: false }, name)
    t.match(root.attributes, {
      'http.request.method': 'GET',
      'http.response.status_code': status,
      'sealgate.repository': `example.org/${name}`,
      ...Object.fromEntries(Object.entries(attributes).map(([key, value]) => [`sealgate.${key}`, value])),
    })
    // Whether a look at the policy's files was due, and so the way with waiting was taken, is a matter of milliseconds.
    const passing = attributes.cache === 'hit' ? ['  policy', '  verdict'] : ['  policy']
    const found = treeOf(spans, root).filter(line => !passing.includes(line))
    t.same(found, tree, `the tree of ${name}`)
    t.ok(spans.filter(({ traceId }) => traceId === root.traceId).every(span => span.seconds <= root.seconds + 0.005))
  }
  t.equal(new Set(roots.map(({ traceId }) => traceId)).size, roots.length, 'a trace each')
})

t.test('a change of the policy is asked for within the pull that met it: policy, and the key broker', async t => {
  const { url, spans } = await startOtlpReceiver(t)
  const signer = ecdsaSigner()
  const resources = join(t.testdir({}), 'resources.json')
  writeFileSync(resources, JSON.stringify({ 'Cosign Key': Buffer.from(signer.publicPem).toString('base64') }))
  const key = '/run/image-security/cosign-test-that-is-not-there/cosign.pub'
  const { registry, pull, gate, policyFile } = await scene(t, {
    policy: () => signedPolicy(key),
    config: {
      tracing: { endpoint: url },
      keyBroker: { kind: 'offline-fs', address: resources, refresh: 3600 },
    },
  })
  registry.putSigned('signed', '1', signer, 'example.org')
  writeFileSync(policyFile, JSON.stringify({ ...signedPolicy(key), default: [{ type: 'insecureAcceptAnything' }] }))
  // The files are not looked at again within two milliseconds.
  await sleep(20)
  t.equal((await pull('signed/manifests/1')).status, 200)
  await gate.close()
  const [root] = pulls(spans)
  t.ok(root)
  if (root === undefined) return
  const tree = treeOf(spans, root)
  const at = tree.indexOf('  policy')
  t.equal(tree[at + 1], '    keybroker.get')
  const asked = spans.find(({ name }) => name === 'keybroker.get')
  t.match(asked?.attributes, { 'sealgate.broker': 'offline-fs', 'sealgate.outcome': 'given' })
})

t.test("the shadow policy's work is in no trace: the client did not wait for it", async t => {
  const { url, spans } = await startOtlpReceiver(t)
  const shadowPolicy = join(t.testdir({}), 'shadow.json')
  const { registry, signer, pull, gate, adminUrl } = await scene(t, {
    policy: keyPath => {
      writeFileSync(shadowPolicy, JSON.stringify(signedPolicy(keyPath)))
      return { default: [{ type: 'insecureAcceptAnything' }] }
    },
    config: { tracing: { endpoint: url }, shadowPolicy },
  })
  registry.putSigned('signed', '1', signer, 'example.org')
  t.equal((await pull('signed/manifests/1')).status, 200)
  const compared = async (): Promise<boolean> =>
    /sealgate_shadow_verdicts_total\{/.test((await get(`${adminUrl}/metrics`)).body.toString())
  for (let n = 0; n < 200 && !(await compared()); n += 1) await new Promise(resolve => setTimeout(resolve, 25))
  await gate.close()
  t.same(
    spans
      .map(({ name }) => name)
      .filter(name => name !== 'policy')
      .sort(),
    ['manifest', 'pull', 'upstream.manifest', 'verdict'],
  )
})

t.test('failures are marked, and nothing that is secret or free text is sent', async t => {
  const { url, spans, text } = await startOtlpReceiver(t)
  const { registry, pull, gate } = await scene(t, { config: { tracing: { endpoint: url } } })
  registry.script = (_request, response) => {
    response.writeHead(500).end('{"errors":[{"code":"UNKNOWN","message":"upstream-words"}]}')
    return true
  }
  const headers = { authorization: 'Bearer secret-of-the-client' }
  t.equal((await pull('a/manifests/1', { headers })).status, 503)
  await gate.close()
  t.match(
    spans.map(({ name, error }) => [name, error]).filter(([, error]) => error),
    [
      ['upstream.manifest', true],
      ['manifest', true],
      ['pull', true],
    ],
  )
  t.notMatch(text(), /secret-of-the-client|upstream-words/)
})

t.test("a client's trace is continued only where that is configured, and only if it is one", async t => {
  for (const acceptTraceparent of [false, true]) {
    const { url, spans } = await startOtlpReceiver(t)
    const { registry, signer, pull, gate } = await scene(t, {
      config: { tracing: { endpoint: url, acceptTraceparent } },
    })
    registry.putSigned('signed', '1', signer, 'example.org')
    for (const traceparent of [SENT, 'nonsense']) await pull('signed/manifests/1', { headers: { traceparent } })
    await gate.close()
    const [first, second] = pulls(spans)
    const { traceId, spanId } = parseTraceparent(SENT) ?? {}
    t.same([first?.traceId === traceId, first?.parentSpanId === spanId], [acceptTraceparent, acceptTraceparent])
    t.not(second?.traceId, traceId)
    t.equal(second?.parentSpanId, undefined)
  }
  const table = [
    { it: 'sampled', text: SENT, flags: 1 },
    { it: 'not sampled', text: SENT.replace(/01$/, '00'), flags: 0 },
    { it: 'flags of the future', text: SENT.replace(/01$/, 'fe'), flags: 0 },
    { it: 'another version', text: SENT.replace(/^00/, '01'), flags: undefined },
    { it: 'version ff', text: SENT.replace(/^00/, 'ff'), flags: undefined },
    { it: 'no trace', text: SENT.replace(/4bf9\w+/, '0'.repeat(32)), flags: undefined },
    { it: 'no span', text: SENT.replace(/00f0\w+/, '0'.repeat(16)), flags: undefined },
    { it: 'capitals', text: SENT.toUpperCase(), flags: undefined },
    { it: 'more', text: `${SENT}-00`, flags: undefined },
    { it: 'none', text: undefined, flags: undefined },
  ]
  for (const { it, text, flags } of table) t.equal(parseTraceparent(text)?.traceFlags, flags, it)
})

t.test('a collector that is down, or a ratio of 0, harms no pull', async t => {
  const down = await scene(t, { config: { tracing: { endpoint: 'http://127.0.0.1:9/v1/traces' } } })
  down.registry.putSigned('signed', '1', down.signer, 'example.org')
  for (let n = 0; n < 5; n += 1) t.equal((await down.pull('signed/manifests/1')).status, 200)
  const { url, spans } = await startOtlpReceiver(t)
  const none = await scene(t, { config: { tracing: { endpoint: url, sampleRatio: 0 } } })
  none.registry.putSigned('signed', '1', none.signer, 'example.org')
  t.equal((await none.pull('signed/manifests/1')).status, 200)
  await none.gate.close()
  t.same(spans, [])
  const lost = async (): Promise<boolean> =>
    /sealgate_trace_spans_lost_total [1-9]/.test((await get(`${down.adminUrl}/metrics`)).body.toString())
  for (let n = 0; n < 200 && !(await lost()); n += 1) await new Promise(resolve => setTimeout(resolve, 50))
  t.ok(await lost(), 'and is counted')
})
