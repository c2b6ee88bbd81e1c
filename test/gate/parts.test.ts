import t from 'tap'
import { truncated } from '../support/faults.ts'
import { blobOf, OCI_MANIFEST } from '../support/signer.ts'
import { HOST, scene } from './scene.ts'

const MIB = 1024 * 1024

t.test('case 126: a blob that broke off is taken up again by the client, part by part of that blob alone', async t => {
  const { registry, signer, pull } = await scene(t, { config: { blobs: 'admitted' } })
  const config = blobOf('{}', 'application/vnd.oci.image.config.v1+json')
  const layer = blobOf(Buffer.alloc(6 * MIB, 1), 'application/vnd.oci.image.layer.v1.tar')
  const other = blobOf(Buffer.alloc(6 * MIB, 2), 'application/vnd.oci.image.layer.v1.tar')
  const named = ({ mediaType, digest, size }: typeof layer): object => ({ mediaType, digest, size })
  const document = { schemaVersion: 2, mediaType: OCI_MANIFEST, config: named(config), layers: [named(layer)] }
  const image = registry.put('test', { manifest: blobOf(JSON.stringify(document), OCI_MANIFEST), blobs: [layer] }, '1')
  registry.sign('test', image, signer, `${HOST}/test`)
  registry.blobs.set(`test ${other.digest}`, other)
  const rest = (name: string, from = 3 * MIB): ReturnType<typeof pull> =>
    pull(`test/blobs/${name}`, { headers: { range: `bytes=${from}-` } })

  t.equal((await rest(layer.digest)).status, 403, 'no part of what no accepted manifest names')
  t.equal(registry.count(layer.digest), 0, 'which is not even asked for')
  t.equal((await pull('test/manifests/1')).status, 200)
  t.equal((await rest(other.digest)).status, 403)

  registry.script = truncated(layer.bytes, 'hang-up')
  // Cut off, or 503 if nothing had left yet.
  const broken = await pull(`test/blobs/${layer.digest}`).catch(() => undefined)
  t.not(broken?.status, 200, 'what broke off is not whole to the client either')
  registry.script = () => false
  const resumed = await rest(layer.digest)
  t.equal(resumed.status, 206)
  t.equal(resumed.headers.get('content-range'), `bytes ${3 * MIB}-${6 * MIB - 1}/${6 * MIB}`)
  t.equal(resumed.headers.get('docker-content-digest'), layer.digest, 'by which the client checks the whole')
  t.ok(resumed.body.equals(layer.bytes.subarray(3 * MIB)))

  // A replica that has another length, or sends another part, is not what the first had.
  for (const range of ['bytes 0-9/6291456', `bytes ${3 * MIB}-${3 * MIB + 9}/1000`]) {
    registry.script = (_request, response) => {
      response.writeHead(206, { 'content-range': range, 'content-length': 10 }).end(Buffer.alloc(10))
      return true
    }
    t.match(await rest(layer.digest), { status: 502 }, range)
  }
})
