import { gzipSync } from 'node:zlib'
import t from 'tap'
import { startEvilRegistry } from '../support/evil-registry.ts'
import {
  blobOf,
  imageOf,
  OCI_INDEX,
  OCI_MANIFEST,
  payloadOf,
  sigManifest,
  signatureLayer,
  sigTag,
  SIMPLE_SIGNING,
  type AttachedLayer,
  type Blob,
} from '../support/signer.ts'
import { HOST, scene } from './scene.ts'

/** What stands in a manifest beside the digests of its layers, and what lies beside images in a repository. */

type Thing = { readonly manifest: Blob; readonly blobs: readonly Blob[] }

const named = ({ mediaType, digest, size }: Blob, more: object = {}): object => ({ mediaType, digest, size, ...more })

/** An image with more in its manifest, or in the descriptor of its layer. */
function imageWith(salt: string, more: { readonly top?: object; readonly layer?: object }, type?: string): Thing {
  const [config = blobOf('{}'), made = blobOf('')] = imageOf(salt).blobs
  const layer = type === undefined ? made : { ...made, mediaType: type }
  const document = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: named(config),
    layers: [named(layer, more.layer)],
    ...more.top,
  }
  return { manifest: blobOf(JSON.stringify(document), OCI_MANIFEST), blobs: [config, layer] }
}

/** What BuildKit puts into an index beside an image. docs/attestations/attestation-storage.md of BuildKit. */
function attestationOf(image: Blob): { readonly thing: Thing; readonly listed: object } {
  const statement = blobOf(JSON.stringify({ subject: [image.digest] }), 'application/vnd.in-toto+json')
  const config = blobOf('{"architecture":"unknown","os":"unknown"}', 'application/vnd.oci.image.config.v1+json')
  const document = { schemaVersion: 2, mediaType: OCI_MANIFEST, config: named(config), layers: [named(statement)] }
  const manifest = blobOf(JSON.stringify(document), OCI_MANIFEST)
  const annotations = {
    'vnd.docker.reference.type': 'attestation-manifest',
    'vnd.docker.reference.digest': image.digest,
  }
  const listed = named(manifest, { annotations, platform: { architecture: 'unknown', os: 'unknown' } })
  return { thing: { manifest, blobs: [config, statement] }, listed }
}

function indexWith(manifests: readonly object[]): Blob {
  return blobOf(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }), OCI_INDEX)
}

t.test('case 104: documents pass by cosign’s tags and by digest; under any other tag they are judged', async t => {
  const { registry, signer, pull } = await scene(t)
  const image = registry.putSigned('test', '1', signer, HOST)
  const attached = sigManifest([signatureLayer(signer, payloadOf(image.digest, `${HOST}/test`))])
  const hex = image.digest.slice('sha256:'.length)
  const table = [
    { tag: `sha256-${hex}.sig`, status: 200 },
    { tag: `sha256-${hex}.att`, status: 200 },
    { tag: `sha256-${hex}.sbom`, status: 200 },
    { tag: 'latest', status: 403 },
    { tag: 'evil.sig', status: 403 },
    { tag: `sha256-${hex}`, status: 403 },
    { tag: `sha256-${hex}.sig.x`, status: 403 },
    { tag: `x-sha256-${hex}.sig`, status: 403 },
  ]
  for (const { tag, status } of table) {
    registry.put('other', attached, tag)
    t.equal((await pull(`other/manifests/${tag}`)).status, status, tag)
  }
})

t.test('case 118: an attestation is pulled as the child of an accepted index, and is nothing by itself', async t => {
  const { registry, signer, pull } = await scene(t)
  const image = imageOf('app')
  const stranger = registry.put('multi', imageOf('stranger'))
  const { thing, listed } = attestationOf(image.manifest)
  const aboutStranger = attestationOf(stranger)
  const index = indexWith([named(image.manifest), listed, aboutStranger.listed])
  for (const each of [image, thing, aboutStranger.thing]) registry.put('multi', each)
  registry.put('multi', { manifest: index, blobs: [] }, '1')
  registry.put('elsewhere', thing, 'attestation')
  const name = `multi/manifests/${thing.manifest.digest}`
  t.equal((await pull('multi/manifests/1')).status, 403)
  t.equal((await pull(name)).status, 403, 'of an index that is not accepted')
  registry.sign('multi', index, signer, `${HOST}/multi`)
  t.equal((await pull('multi/manifests/1')).status, 200)
  const child = await pull(name)
  t.equal(child.status, 200, 'of one that is')
  t.ok(child.body.equals(thing.manifest.bytes))
  t.match(child.headers.get('x-sealgate-verdict'), `index="${index.digest}"`)
  t.equal((await pull('elsewhere/manifests/attestation')).status, 403, 'under a tag of its own')
  t.equal((await pull(`elsewhere/manifests/${thing.manifest.digest}`)).status, 403, 'in another repository')
  t.equal((await pull(`multi/manifests/${stranger.digest}`)).status, 403, 'what it is about is not let in by it')
})

t.test('case 119: what an image says it refers to has no part in its verdict', async t => {
  const { registry, signer, pull } = await scene(t)
  registry.hasReferrersApi = true
  const signed = registry.putSigned('test', 'signed', signer, HOST)
  const unsigned = registry.put('test', imageOf('unsigned'), 'unsigned')
  const parent = registry.put('test', imageWith('parent', { top: { subject: named(signed) } }), 'parent')
  const table: readonly { it: string; subject: Blob; isSigned: boolean; status: number }[] = [
    { it: 'unsigned, of a signed image', subject: signed, isSigned: false, status: 403 },
    { it: 'unsigned, of one that refers to a signed image', subject: parent, isSigned: false, status: 403 },
    { it: 'signed, of an unsigned image', subject: unsigned, isSigned: true, status: 200 },
    { it: 'signed, of what is nowhere', subject: blobOf('gone', OCI_MANIFEST), isSigned: true, status: 200 },
  ]
  for (const { it, subject, isSigned, status } of table) {
    const artifactType = 'application/vnd.dev.sigstore.bundle.v0.3+json'
    const image = registry.put('test', imageWith(it, { top: { subject: named(subject), artifactType } }), 'row')
    if (isSigned) registry.sign('test', image, signer, `${HOST}/test`)
    registry.requests.length = 0
    t.equal((await pull('test/manifests/row')).status, status, it)
    t.equal(registry.count(subject.digest), 0, `${it}: which is not even looked at`)
    // And with it as a referrer the other is what it was.
    t.equal((await pull('test/manifests/signed')).status, 200)
    t.equal((await pull('test/manifests/unsigned')).status, 403)
  }
})

t.test('case 120: the addresses of foreign layers are handed on, and never dialled', async t => {
  const { registry, signer, pull } = await scene(t)
  const elsewhere = await startEvilRegistry(t)
  elsewhere.script = (_request, response) => (response.writeHead(200).end('x'), true)
  const urls = [`${elsewhere.url}/layer`]
  for (const type of [
    'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
    'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
  ]) {
    const image = imageWith(type, { layer: { urls } }, type)
    const [config, layer] = image.blobs
    registry.put('test', { ...image, blobs: config === undefined ? [] : [config] }, '1')
    t.equal((await pull('test/manifests/1')).status, 403, `${type}, unsigned`)
    registry.sign('test', image.manifest, signer, `${HOST}/test`)
    const pulled = await pull('test/manifests/1')
    t.equal(pulled.status, 200, `${type}, signed`)
    t.ok(pulled.body.equals(image.manifest.bytes), 'as it was signed')
    t.equal((await pull(`test/blobs/${layer?.digest}`)).status, 404, 'the layer is the client’s to fetch')
  }
  // Nor where a signature should be.
  const image = registry.put('test', imageOf('unsigned'), '2')
  const made = sigManifest([signatureLayer(signer, payloadOf(image.digest, `${HOST}/test`))])
  const document = JSON.parse(made.manifest.bytes.toString())
  document.layers[0].urls = urls
  registry.put('test', { manifest: blobOf(JSON.stringify(document), OCI_MANIFEST), blobs: [] }, sigTag(image.digest))
  t.equal((await pull('test/manifests/2')).status, 403)
  t.same(elsewhere.requests, [])
})

t.test('case 121: content in a descriptor is not taken for the content of the blob', async t => {
  const { registry, signer, pull } = await scene(t)
  const inline = (bytes: Buffer): object => ({ data: bytes.toString('base64') })
  const attach = (image: Blob, { payload, annotations }: AttachedLayer, data: Buffer): void => {
    const config = blobOf('{}', 'application/vnd.oci.image.config.v1+json')
    const layers = [named(payload, { annotations, ...inline(data) })]
    const document = { schemaVersion: 2, mediaType: OCI_MANIFEST, config: named(config), layers }
    const manifest = blobOf(JSON.stringify(document), OCI_MANIFEST)
    registry.put('test', { manifest, blobs: [config, payload] }, sigTag(image.digest))
  }
  const [one, two] = [registry.put('test', imageOf('one'), '1'), registry.put('test', imageOf('two'), '2')]
  const good = signatureLayer(signer, payloadOf(one.digest, `${HOST}/test`))
  attach(one, good, Buffer.from('a lie'))
  t.equal((await pull('test/manifests/1')).status, 200, 'a lie beside a good signature')
  const wanted = signatureLayer(signer, payloadOf(two.digest, `${HOST}/test`))
  attach(two, { ...wanted, payload: good.payload }, wanted.payload.bytes)
  t.equal((await pull('test/manifests/2')).status, 403, 'the signed payload beside another blob')

  const lying = imageWith('lying', { layer: inline(Buffer.from('a lie')) })
  registry.put('test', lying, '3')
  registry.sign('test', lying.manifest, signer, `${HOST}/test`)
  const pulled = await pull('test/manifests/3')
  t.equal(pulled.status, 200, 'in an image: as it was signed')
  t.ok(pulled.body.equals(lying.manifest.bytes))

  const layer = blobOf(gzipSync(Buffer.alloc(1024)), SIMPLE_SIGNING)
  const config = blobOf('{}', 'application/vnd.oci.image.config.v1+json')
  const layers = [named(layer, inline(Buffer.from('{"critical":{}}')))]
  const document = { schemaVersion: 2, mediaType: OCI_MANIFEST, config: named(config), layers }
  const manifest = blobOf(JSON.stringify(document), OCI_MANIFEST)
  registry.put('test', { manifest, blobs: [config, layer] }, sigTag(imageOf('other').manifest.digest))
  const tag = sigTag(imageOf('other').manifest.digest)
  t.equal((await pull(`test/manifests/${tag}`)).status, 403, 'a file system that says it is a document')
})
