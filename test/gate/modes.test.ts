import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { mock } from 'node:test'
import t from 'tap'
import { temporaryDirectory } from '../support/gate.ts'
import { blobOf, imageOf, indexOf } from '../support/signer.ts'
import { get, scene } from './scene.ts'

const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'

t.test('audit mode serves what would be refused, with a warning, in its scope only', async t => {
  const { registry, pull, adminUrl } = await scene(t, {
    config: { modes: [{ scope: 'example.org/team', mode: 'audit' }] },
  })
  const manifest = registry.put('team/app', imageOf('audited'), '1')
  registry.put('teams/app', imageOf('enforced'), '1')
  for (const method of ['GET', 'HEAD']) {
    const answer = await pull('team/app/manifests/1', { method })
    t.equal(answer.status, 200, method)
    t.ok(method === 'HEAD' || answer.body.equals(manifest.bytes), 'the very bytes')
    t.match(answer.headers.get('x-sealgate-verdict'), /^audited; scope="example\.org"; id="[0-9a-f]{12}"$/)
    t.match(answer.headers.get('warning'), /^299 - "served in audit mode only: blocked by image policy: .*found none/)
  }
  t.equal((await pull('teams/app/manifests/1')).status, 403, 'whole components')
  const metrics = (await get(`${adminUrl}/metrics`)).body.toString()
  t.match(metrics, 'sealgate_verdicts_total{verdict="audited",scope="example.org",reason="no-signature"} 2')
  t.match(metrics, 'sealgate_verdicts_total{verdict="refused",scope="example.org",reason="no-signature"} 1')
  t.match(metrics, /sealgate_upstream_seconds_count\{host="example\.org",outcome="found"\} [1-9]/)
})

t.test('what could not be found out is served in audit mode, and nowhere else', async t => {
  for (const { mode, status, verdict } of [
    { mode: 'enforce', status: 503, verdict: null },
    { mode: 'audit', status: 200, verdict: /^audited; / },
  ]) {
    const { registry, pull } = await scene(t, { config: { mode } })
    const manifest = registry.put('app', imageOf('app'), '1')
    registry.script = (request, response) => {
      if (request.url?.endsWith('/manifests/1') === true) return false
      response.writeHead(500).end()
      return true
    }
    const answer = await pull('app/manifests/1')
    t.equal(answer.status, status, mode)
    t.match(answer.headers.get('x-sealgate-verdict'), verdict)
    t.equal(answer.body.equals(manifest.bytes), status === 200)
  }
})

t.test('what is no manifest is served in no mode', async t => {
  const { registry, pull } = await scene(t, { config: { mode: 'audit' } })
  registry.put('broken', { manifest: blobOf('{"schemaVersion":2,"schemaVersion":2}', OCI_MANIFEST), blobs: [] }, '1')
  t.not((await pull('broken/manifests/1')).status, 200)
})

t.test('an exception lets through what its tag leads to, until its date', async t => {
  const exception = { reason: 'old', by: 'alice' }
  const { registry, pull, adminUrl } = await scene(t, {
    config: {
      exceptions: [
        { ...exception, scope: 'example.org/old:1', until: '2999-01-01' },
        { ...exception, scope: 'example.org/lapsed', until: '2020-01-01' },
      ],
    },
  })
  const child = registry.put('old', imageOf('child'))
  const index = registry.put('old', { manifest: indexOf([child]), blobs: [] }, '1')
  registry.put('old', imageOf('other'), '2')
  registry.put('lapsed', imageOf('lapsed'), '1')
  const table = [
    { name: `old/manifests/${child.digest}`, status: 403 },
    { name: 'old/manifests/1', status: 200 },
    { name: `old/manifests/${index.digest}`, status: 200 },
    { name: `old/manifests/${child.digest}`, status: 200 },
    { name: 'old/manifests/2', status: 403 },
    { name: 'lapsed/manifests/1', status: 403 },
  ]
  for (const { name, status } of table) t.equal((await pull(name)).status, status, name)
  const { headers } = await pull('old/manifests/1')
  t.match(headers.get('warning'), /^299 - "let through until 2999-01-01T00:00:00\.000Z although blocked/)
  const [, id] = /id="([0-9a-f]+)"/.exec(headers.get('x-sealgate-verdict') ?? '') ?? []
  const explained = await (await fetch(`${adminUrl}/explain/${id}`)).json()
  t.match(explained, { verdict: 'excepted', exception: { reason: 'old', by: 'alice' } })
})

t.test('case 171: what follows a remembered verdict is asked at each pull', async t => {
  const until = '2999-01-01'
  const { registry, pull } = await scene(t, {
    config: {
      cache: { tags: 60, refused: 30 },
      exceptions: [{ scope: 'example.org/old', until, reason: 'old', by: 'alice' }],
    },
  })
  registry.put('old', imageOf('old'), '1')
  t.equal((await pull('old/manifests/1')).status, 200)
  const asked = registry.requests.length
  mock.timers.enable({ apis: ['Date'], now: new Date(until) })
  t.teardown(() => mock.timers.reset())
  t.equal((await pull('old/manifests/1')).status, 403, 'the exception is over')
  t.equal(registry.requests.length, asked, 'though the verdict is the one from before')
})

t.test('the audit log has each decision with what was found; one that cannot be written stops nobody', async t => {
  const directory = temporaryDirectory(t)
  const file = join(directory, 'audit.jsonl')
  const { registry, signer, pull, gate } = await scene(t, { config: { audit: { file } } })
  registry.putSigned('test', '1', signer, 'example.org')
  registry.put('unsigned', imageOf('unsigned'), '1')
  await pull('test/manifests/1')
  await pull('unsigned/manifests/1')
  await gate.close()
  const records = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  t.match(records, [
    {
      verdict: 'accepted',
      reference: 'example.org/test:1',
      client: '127.0.0.1',
      time: /^20/,
      snapshotId: /./,
      evaluation: { requirements: [{ outcome: 'met', signatures: [{ counts: true }] }] },
    },
    { verdict: 'refused', scope: 'example.org', evaluation: { requirements: [{ outcome: 'unmet' }] } },
  ])

  const blocked = join(directory, 'directory')
  mkdirSync(blocked)
  const other = await scene(t, { config: { audit: { file: blocked } } })
  other.registry.putSigned('test', '1', other.signer, 'example.org')
  t.equal((await other.pull('test/manifests/1')).status, 200)
})
