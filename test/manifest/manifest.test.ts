import * as fc from 'fast-check'
import t from 'tap'
import { includesManifestKey, looksLikeManifest } from '../../src/manifest/manifest-keys.ts'
import {
  claimsSignatures,
  ManifestError,
  MAX_MANIFEST_BYTES,
  parseManifest,
  type ManifestErrorCode,
} from '../../src/manifest/manifest.ts'
import { essenceOf, isSignatureLayerMediaType, MEDIA_TYPES } from '../../src/manifest/media-type.ts'
import { digestOf } from '../../src/reference/digest.ts'

const DIGEST = `sha256:${'ab'.repeat(32)}`
const OTHER = `sha256:${'cd'.repeat(32)}`
const { ociManifest, ociIndex, dockerManifest, dockerList, simpleSigning } = MEDIA_TYPES
const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip'

const descriptor = (mediaType: string, more: object = {}): object => ({ mediaType, digest: DIGEST, size: 7, ...more })
const CONFIG = descriptor('application/vnd.oci.image.config.v1+json')
const IMAGE = { schemaVersion: 2, mediaType: ociManifest, config: CONFIG, layers: [descriptor(LAYER)] }
const INDEX = { schemaVersion: 2, mediaType: ociIndex, manifests: [descriptor(ociManifest)] }

const toBytes = (value: unknown): Uint8Array => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
const parse = (value: unknown, contentType?: string) => parseManifest(toBytes(value), contentType)
/** `ok`, or the error's code. */
function verdictOn(value: unknown, contentType?: string): 'ok' | ManifestErrorCode {
  try {
    parse(value, contentType)
    return 'ok'
  } catch (error) {
    if (error instanceof ManifestError) return error.code
    throw error
  }
}

t.test('an image and an index, with what is served and its digest', async t => {
  const bytes = toBytes({ ...IMAGE, annotations: { a: 'b' }, artifactType: 'x/y', subject: descriptor(ociManifest) })
  const image = parseManifest(bytes, undefined)
  t.equal(image.bytes, bytes, 'the very buffer')
  t.equal(image.digest, digestOf(bytes))
  t.match(image, { kind: 'image', mediaType: ociManifest, artifactType: 'x/y', subject: { digest: DIGEST } })
  t.equal(image.annotations.get('a'), 'b')
  t.match(parseManifest(bytes, undefined, 'sha512').digest, /^sha512:[0-9a-f]{128}$/)
  t.match(parse(INDEX), { kind: 'index', children: [{ digest: DIGEST, size: 7 }] })
})

t.test('which document it is: its own word, the registry’s, its fields, and never two of them (case 110)', async t => {
  const without = (document: object): object => ({ ...document, mediaType: undefined })
  const table: readonly { it: string; document: unknown; sent?: string; is: 'ok' | ManifestErrorCode }[] = [
    { it: 'an image that says so', document: IMAGE, is: 'ok' },
    { it: 'an image that both say so', document: IMAGE, sent: ociManifest, is: 'ok' },
    { it: 'an OCI image without mediaType', document: without(IMAGE), is: 'ok' },
    { it: 'an image by the registry’s word', document: without(IMAGE), sent: dockerManifest, is: 'ok' },
    { it: 'an image sent as plain JSON', document: IMAGE, sent: 'application/json', is: 'ok' },
    { it: 'an index without mediaType', document: without(INDEX), is: 'ok' },
    { it: 'a docker list', document: { ...INDEX, mediaType: dockerList }, sent: dockerList, is: 'ok' },
    { it: 'two different words', document: IMAGE, sent: dockerManifest, is: 'AMBIGUOUS' },
    { it: 'an image that says index', document: { ...IMAGE, mediaType: ociIndex }, is: 'AMBIGUOUS' },
    { it: 'an index that says image', document: { ...INDEX, mediaType: ociManifest }, is: 'AMBIGUOUS' },
    { it: 'an index sent as an image', document: without(INDEX), sent: ociManifest, is: 'AMBIGUOUS' },
    { it: 'layers and manifests (CVE-2021-41190)', document: { ...IMAGE, manifests: [] }, is: 'AMBIGUOUS' },
    { it: 'config and manifests', document: { ...INDEX, config: CONFIG }, is: 'AMBIGUOUS' },
    { it: 'layers, and manifests of null', document: { ...IMAGE, manifests: null }, is: 'AMBIGUOUS' },
    { it: 'fsLayers in an image', document: { ...IMAGE, fsLayers: [] }, is: 'AMBIGUOUS' },
    { it: 'fsLayers in an index', document: { ...INDEX, fsLayers: [] }, is: 'AMBIGUOUS' },
    { it: 'history in an image', document: { ...IMAGE, history: [] }, is: 'AMBIGUOUS' },
    { it: 'history in an index', document: { ...INDEX, history: [] }, is: 'AMBIGUOUS' },
    { it: 'layers in an index', document: { ...INDEX, layers: [] }, is: 'AMBIGUOUS' },
    { it: 'an unknown mediaType', document: { ...IMAGE, mediaType: 'application/x' }, is: 'UNKNOWN_TYPE' },
    { it: 'an empty mediaType', document: { ...IMAGE, mediaType: '' }, is: 'UNKNOWN_TYPE' },
    { it: 'a mediaType of null', document: { ...IMAGE, mediaType: null }, is: 'UNKNOWN_TYPE' },
    { it: 'a mediaType with a parameter', document: { ...IMAGE, mediaType: `${ociManifest};x` }, is: 'UNKNOWN_TYPE' },
    { it: 'schema 1 (case 111)', document: { schemaVersion: 1, fsLayers: [], history: [] }, is: 'SCHEMA1' },
    { it: 'schema 1 in the clothes of an image', document: { ...IMAGE, schemaVersion: 1 }, is: 'SCHEMA1' },
    { it: 'schema 3', document: { ...IMAGE, schemaVersion: 3 }, is: 'MALFORMED' },
    { it: 'no schema', document: { ...IMAGE, schemaVersion: undefined }, is: 'MALFORMED' },
    { it: 'a schema in words', document: { ...IMAGE, schemaVersion: '2' }, is: 'MALFORMED' },
    { it: 'nothing but a schema', document: { schemaVersion: 2 }, is: 'MALFORMED' },
    { it: 'no config', document: { ...IMAGE, config: undefined }, is: 'MALFORMED' },
    { it: 'no layers', document: { ...IMAGE, layers: undefined }, is: 'MALFORMED' },
    { it: 'layers of null', document: { ...IMAGE, layers: null }, is: 'MALFORMED' },
    { it: 'an empty index', document: { ...INDEX, manifests: [] }, is: 'ok' },
    { it: 'annotations that are no strings', document: { ...IMAGE, annotations: { a: 1 } }, is: 'MALFORMED' },
    { it: 'annotations of null', document: { ...IMAGE, annotations: null }, is: 'ok' },
    { it: 'a subject of null', document: { ...IMAGE, subject: null }, is: 'ok' },
    { it: 'a broken subject', document: { ...IMAGE, subject: {} }, is: 'MALFORMED' },
    { it: 'an artifactType that is no string', document: { ...IMAGE, artifactType: 1 }, is: 'MALFORMED' },
    { it: 'fields nobody knows', document: { ...IMAGE, extra: { a: [1] } }, is: 'ok' },
    { it: 'null', document: 'null', is: 'MALFORMED' },
    { it: 'an array', document: '[]', is: 'MALFORMED' },
    { it: 'no JSON', document: '<html>', is: 'MALFORMED' },
    { it: 'a byte order mark (113)', document: `\uFEFF${JSON.stringify(IMAGE)}`, is: 'MALFORMED' },
    { it: 'two documents (113)', document: JSON.stringify(IMAGE) + JSON.stringify(INDEX), is: 'MALFORMED' },
    { it: 'a repeated key (112)', document: JSON.stringify(IMAGE).replace('{', '{"layers":[],'), is: 'MALFORMED' },
  ]
  for (const { it, document, sent, is } of table) t.equal(verdictOn(document, sent), is, it)
})

t.test('keys that a client in Go takes for the fields (case 112)', async t => {
  for (const key of ['Layers', 'CONFIG', 'Manifests', 'mediatype', 'MediaType', 'Manifeſts', 'FSLayers', 'Subject']) {
    t.equal(verdictOn({ ...IMAGE, [key]: [] }), 'MALFORMED', key)
  }
  for (const key of ['MediaType', 'Digest', 'DIGEST', 'Size', 'ſize', 'Annotations', 'URLs', 'Data', 'Platform']) {
    const layer = descriptor(LAYER, { [key]: 'x' })
    t.equal(verdictOn({ ...IMAGE, layers: [layer] }), 'MALFORMED', `${key} in a layer`)
    t.equal(verdictOn({ ...IMAGE, config: layer }), 'MALFORMED', `${key} in the config`)
    t.equal(verdictOn({ ...INDEX, manifests: [layer] }), 'MALFORMED', `${key} in a child`)
  }
  t.equal(verdictOn({ ...IMAGE, annotations: { Layers: 'x', layers: 'y' } }), 'ok', 'annotations are free')
})

t.test('descriptors', async t => {
  const table: readonly { it: string; layer: unknown; ok: boolean }[] = [
    { it: 'whole', layer: descriptor(LAYER), ok: true },
    { it: 'sha512', layer: descriptor(LAYER, { digest: `sha512:${'0'.repeat(128)}` }), ok: true },
    { it: 'of nothing', layer: descriptor(LAYER, { size: 0 }), ok: true },
    { it: 'with platform and urls', layer: descriptor(LAYER, { platform: {}, urls: [] }), ok: true },
    { it: 'no object', layer: DIGEST, ok: false },
    { it: 'without mediaType', layer: { digest: DIGEST, size: 1 }, ok: false },
    { it: 'without digest', layer: { mediaType: LAYER, size: 1 }, ok: false },
    { it: 'without size', layer: { mediaType: LAYER, digest: DIGEST }, ok: false },
    { it: 'a negative size (114)', layer: descriptor(LAYER, { size: -1 }), ok: false },
    { it: 'a size no double holds', layer: descriptor(LAYER, { size: 2 ** 53 }), ok: false },
    { it: 'a size in words', layer: descriptor(LAYER, { size: '7' }), ok: false },
    { it: 'a broken size', layer: descriptor(LAYER, { size: 1.5 }), ok: false },
    { it: 'an upper-case digest', layer: descriptor(LAYER, { digest: DIGEST.toUpperCase() }), ok: false },
    { it: 'a path for a digest (85)', layer: descriptor(LAYER, { digest: 'sha256:../../x' }), ok: false },
    { it: 'an md5', layer: descriptor(LAYER, { digest: `md5:${'0'.repeat(32)}` }), ok: false },
    { it: 'a digest with more', layer: descriptor(LAYER, { digest: `${DIGEST}\n` }), ok: false },
  ]
  for (const { it, layer, ok } of table) {
    t.equal(verdictOn({ ...IMAGE, layers: [layer] }), ok ? 'ok' : 'MALFORMED', it)
  }
})

t.test('limits at L and L + 1 (cases 117, 220)', async t => {
  const padded = (length: number): string => {
    const text = JSON.stringify(IMAGE)
    return text + ' '.repeat(length - text.length)
  }
  t.equal(verdictOn(padded(MAX_MANIFEST_BYTES)), 'ok')
  t.equal(verdictOn(padded(MAX_MANIFEST_BYTES + 1)), 'TOO_LARGE')
  const children = (count: number) => ({
    ...INDEX,
    manifests: Array.from({ length: count }, () => descriptor(ociManifest)),
  })
  t.equal(verdictOn(children(1000)), 'ok')
  t.equal(verdictOn(children(1001)), 'MALFORMED')
  const nested = (depth: number): string =>
    JSON.stringify(IMAGE).replace('{', `{"x":${'['.repeat(depth)}${']'.repeat(depth)},`)
  t.equal(verdictOn(nested(31)), 'ok')
  t.equal(verdictOn(nested(32)), 'MALFORMED')
})

t.test('what says that it is signatures and nothing else (case 104)', async t => {
  const signature = descriptor(simpleSigning)
  const table: readonly { it: string; document: object; is: boolean }[] = [
    { it: 'cosign signatures', document: { ...IMAGE, layers: [signature, signature] }, is: true },
    { it: 'an image', document: IMAGE, is: false },
    { it: 'a signature and a file system', document: { ...IMAGE, layers: [signature, descriptor(LAYER)] }, is: false },
    { it: 'no layers', document: { ...IMAGE, layers: [] }, is: false },
    { it: 'an index', document: INDEX, is: false },
    { it: 'a docker manifest', document: { ...IMAGE, mediaType: dockerManifest, layers: [signature] }, is: false },
    { it: 'another case', document: { ...IMAGE, layers: [descriptor(simpleSigning.toUpperCase())] }, is: false },
  ]
  for (const { it, document, is } of table) t.equal(claimsSignatures(parse(document)), is, it)
  const twoFaced = { ...IMAGE, layers: [descriptor(simpleSigning, { MediaType: LAYER })] }
  t.throws(() => parse(twoFaced), { code: 'MALFORMED' }, 'a layer that is a signature here and a file system in Go')
})

t.test('case 132: a Content-Type without its parameters, however they are written', async t => {
  const table: readonly { sent: string | undefined; is: string | undefined }[] = [
    { sent: undefined, is: undefined },
    { sent: '', is: undefined },
    { sent: ';charset=utf-8', is: undefined },
    { sent: 'application/json', is: 'application/json' },
    { sent: 'Application/JSON', is: 'application/json' },
    { sent: 'application/json;charset=utf-8', is: 'application/json' },
    { sent: 'application/json; charset=utf-8', is: 'application/json' },
    { sent: 'application/json ; charset=utf-8', is: 'application/json' },
    { sent: 'application/json\t;\tcharset=utf-8', is: 'application/json' },
    { sent: 'application/json    ;charset=utf-8; a=b', is: 'application/json' },
  ]
  for (const { sent, is } of table) t.equal(essenceOf(sent), is, JSON.stringify(sent))
})

t.test('media types of signatures', async t => {
  const table: readonly { type: string; is: boolean }[] = [
    { type: simpleSigning, is: true },
    { type: 'application/vnd.dsse.envelope.v1+json', is: true },
    { type: 'application/vnd.dev.sigstore.bundle.v0.3+json', is: true },
    { type: 'application/vnd.dev.sigstore.bundle+json;version=0.1', is: true },
    { type: 'application/vnd.dev.sigstore.bundle+json; version=0.2', is: true },
    { type: 'text/spdx+json', is: true },
    { type: LAYER, is: false },
    { type: 'application/vnd.docker.image.rootfs.diff.tar.gzip', is: false },
    { type: 'application/octet-stream', is: false },
    { type: `${simpleSigning}+gzip`, is: false },
    { type: 'application/vnd.dev.sigstore.bundle.v0.3+json+gzip', is: false },
    { type: ' text/spdx', is: false },
    { type: '', is: false },
  ]
  for (const { type, is } of table) t.equal(isSignatureLayerMediaType(type), is, type)
})

t.test('what some client could take for a manifest, however broken (case 123)', async t => {
  const table: readonly { text: string; is: boolean }[] = [
    { text: JSON.stringify(IMAGE), is: true },
    { text: JSON.stringify(INDEX), is: true },
    { text: '{"LAYERS":[]}', is: true },
    { text: '{"Manifeſts":[]}', is: true },
    { text: '{"\\u006danifests":[]}', is: true },
    { text: '{"fsLayers":[]}', is: true },
    { text: '{"layers":[], broken', is: true },
    { text: '{"rootfs":{"type":"layers"},"config":{}}', is: false },
    { text: '{"history":[{"layers":1}]}', is: false },
    { text: '{}', is: false },
    { text: 'layers:', is: false },
  ]
  for (const { text, is } of table) t.equal(looksLikeManifest(Buffer.from(text)), is, text)
  t.equal(includesManifestKey(['config', 'mediaType']), false)
})

t.test('a property: bent manifests are refused with a ManifestError, or are still what they were', async () => {
  const bend = fc.tuple(fc.constantFrom(IMAGE, INDEX), fc.nat(), fc.nat(255))
  fc.assert(
    fc.property(bend, ([document, at, byte]) => {
      const bytes = Uint8Array.from(toBytes(document))
      bytes[at % bytes.length] = byte
      try {
        const manifest = parseManifest(bytes, document.mediaType)
        return manifest.mediaType === document.mediaType && manifest.digest === digestOf(bytes)
      } catch (error) {
        return error instanceof ManifestError
      }
    }),
    { numRuns: 1000 },
  )
})

t.test('a property: an image’s layers are read back as written', async () => {
  const layer = fc.record({ mediaType: fc.string(), digest: fc.constantFrom(DIGEST, OTHER), size: fc.maxSafeNat() })
  fc.assert(
    fc.property(fc.array(layer, { maxLength: 5 }), layers => {
      const manifest = parse({ ...IMAGE, layers })
      t.match(manifest, { kind: 'image', layers })
    }),
    { numRuns: 50 },
  )
})
