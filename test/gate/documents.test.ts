import { createHash } from 'node:crypto'
import t from 'tap'
import { digestOf } from '../../src/reference/digest.ts'
import { answer } from '../support/faults.ts'
import {
  blobOf,
  imageOf,
  OCI_INDEX,
  OCI_MANIFEST,
  payloadOf,
  sigManifest,
  signatureLayer,
  sigTag,
} from '../support/signer.ts'
import { HOST, scene } from './scene.ts'

t.test('case 106: an upstream whose answer depends on the connection, or on how often it was asked', async t => {
  const { registry, signer, pull } = await scene(t)
  const good = registry.putSigned('test', '1', signer, HOST)
  const evil = imageOf('evil').manifest
  const connections: unknown[] = []
  const held: (() => void)[] = []
  let asked = 0
  const rows: readonly { it: string; isGood: (socket: unknown) => boolean }[] = [
    { it: 'every other connection', isGood: socket => connections.indexOf(socket) % 2 === 0 },
    { it: 'two of three requests', isGood: () => asked % 3 !== 0 },
  ]
  for (const { it, isGood } of rows) {
    registry.script = ({ url, socket }, response) => {
      if (!/manifests\/t[0-9]+$/.test(url ?? '')) return false
      if (!connections.includes(socket)) connections.push(socket)
      asked += 1
      const bytes = isGood(socket) ? good.bytes : evil.bytes
      held.push(() => response.writeHead(200, { 'content-type': OCI_MANIFEST }).end(bytes))
      // The first connection waits for the second, so that there are two.
      if (connections.length > 1) for (const send of held.splice(0)) send()
      return true
    }
    const tags = Array.from({ length: 24 }, (_, index) => `t${index}`)
    const pulled = await Promise.all(
      tags.flatMap(tag => ['GET', 'HEAD'].map(method => pull(`test/manifests/${tag}`, { method }))),
    )
    for (const { status, body, headers } of pulled) {
      if (status === 200) t.equal(headers.get('docker-content-digest'), good.digest, it)
      else t.equal(status, 403, it)
      t.ok(body.length === 0 || status === 403 || body.equals(good.bytes), it)
      t.notOk(body.includes(evil.bytes), it)
    }
    t.same(new Set(pulled.map(({ status }) => status)), new Set([200, 403]), `${it}: both were seen`)
  }
})

t.test(
  'case 111: a schema 1 manifest has the digest of its bytes, not of what is left without its signatures',
  async t => {
    const { registry, signer, pull } = await scene(t)
    const payload = '{\n   "schemaVersion": 1,\n   "name": "test",\n   "tag": "1",\n   "fsLayers": []\n}'
    const protectedHeader = { formatLength: payload.length - 2, formatTail: Buffer.from('\n}').toString('base64url') }
    const signatures = [{ protected: Buffer.from(JSON.stringify(protectedHeader)).toString('base64url') }]
    const text = `${payload.slice(0, -2)},\n   "signatures": ${JSON.stringify(signatures)}\n}`
    const stripped = digestOf(Buffer.from(payload))
    const manifest = blobOf(text, 'application/vnd.docker.distribution.manifest.v1+prettyjws')
    for (const digest of [manifest.digest, stripped]) registry.manifests.set(`test ${digest}`, manifest)
    registry.manifests.set('test 1', manifest)
    registry.sign('test', manifest, signer, `${HOST}/test`)
    registry.sign('test', { ...manifest, digest: stripped }, signer, `${HOST}/test`)
    for (const [name, status] of [
      ['1', 403],
      [manifest.digest, 403],
      [stripped, 502],
    ] as const) {
      const pulled = await pull(`test/manifests/${name}`)
      t.equal(pulled.status, status, name)
      t.notOk(pulled.body.includes('fsLayers":'))
    }
  },
)

t.test('case 122: a signature may name the image by either algorithm, and by no other', async t => {
  const { registry, signer, pull } = await scene(t)
  const of = (algorithm: string, bytes: Buffer): string =>
    `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`
  const table: readonly { it: string; digest: (bytes: Buffer) => string; status: number }[] = [
    { it: 'sha256', digest: bytes => of('sha256', bytes), status: 200 },
    { it: 'sha512', digest: bytes => of('sha512', bytes), status: 200 },
    { it: 'sha512 of others', digest: () => of('sha512', Buffer.from('x')), status: 403 },
    { it: 'sha384', digest: bytes => of('sha384', bytes), status: 403 },
    { it: 'sha1', digest: bytes => of('sha1', bytes), status: 403 },
    { it: 'md5', digest: bytes => of('md5', bytes), status: 403 },
    { it: 'one short', digest: bytes => of('sha256', bytes).slice(0, -1), status: 403 },
    { it: 'with more behind it', digest: bytes => `${of('sha256', bytes)}abc`, status: 403 },
    { it: 'hex alone', digest: bytes => of('sha256', bytes).slice('sha256:'.length), status: 403 },
    { it: 'algorithm alone', digest: () => 'sha256:', status: 403 },
    { it: 'nothing', digest: () => '', status: 403 },
  ]
  for (const [index, { it, digest, status }] of table.entries()) {
    const tag = String(index)
    const image = registry.put('test', imageOf(it), tag)
    const layer = signatureLayer(signer, payloadOf(digest(image.bytes), `${HOST}/test`))
    registry.put('test', sigManifest([layer]), sigTag(image.digest))
    t.equal((await pull(`test/manifests/${tag}`)).status, status, it)
  }
})

t.test('case 132: of two Content-Types neither is believed, and what is sent on is one', async t => {
  const { registry, signer, pull } = await scene(t)
  const { bytes, digest } = registry.putSigned('test', '1', signer, HOST)
  for (const types of [
    [OCI_INDEX, OCI_MANIFEST],
    [OCI_MANIFEST, OCI_INDEX],
    [OCI_MANIFEST, 'text/html'],
  ]) {
    registry.on(/manifests\/1$/, answer(200, { 'content-type': types }, bytes))
    const pulled = await pull('test/manifests/1')
    t.equal(pulled.status, 200, types.join(' and '))
    t.equal(pulled.headers.get('content-type'), OCI_MANIFEST)
    t.equal(pulled.headers.get('docker-content-digest'), digest)
  }
})
