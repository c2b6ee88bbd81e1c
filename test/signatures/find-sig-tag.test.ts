import t from 'tap'
import type { Digest } from '../../src/reference/digest.ts'
import { parseRegistryHost, repositoryOf } from '../../src/reference/repository.ts'
import { findSigTag, sigTagOf } from '../../src/signatures/find-sig-tag.ts'
import { UnusableContentError, type SignatureSource } from '../../src/signatures/signature-source.ts'
import {
  blobOf,
  ecdsaSigner,
  imageOf,
  indexOf,
  OCI_INDEX,
  OCI_MANIFEST,
  payloadOf,
  sigManifest,
  signatureLayer,
  type AttachedLayer,
  type Blob,
} from '../support/signer.ts'

const signer = ecdsaSigner()
const image = imageOf('x').manifest
const limits = { maxSignatures: 3, maxSignatureBytes: 400 }
const host = parseRegistryHost('example.org')
const repository = host && repositoryOf(host, 'test')
if (repository === undefined) throw new Error('no repository')
const layer = (salt: string): AttachedLayer => signatureLayer(signer, payloadOf(image.digest, `example.org/${salt}`))

/** An empty list as a pattern would match any list. */
const NONE = { length: 0 }

type Held = { readonly manifest: Blob | undefined; readonly blobs: ReadonlyMap<Digest, Blob | Error> }

/** A source that holds this `.sig` manifest and these blobs, and says what it was asked for. */
function sourceOf(held: Held): { readonly source: SignatureSource; readonly asked: string[] } {
  const asked: string[] = []
  const source: SignatureSource = {
    manifest: async (_repository, reference) => {
      asked.push(reference)
      return held.manifest && { bytes: held.manifest.bytes, contentType: held.manifest.mediaType }
    },
    blob: async (_repository, { digest }) => {
      asked.push(digest)
      const blob = held.blobs.get(digest)
      if (blob instanceof Error) throw blob
      return blob?.bytes
    },
    referrers: async () => [],
  }
  return { source, asked }
}
function of(layers: readonly AttachedLayer[], answers: ReadonlyMap<Digest, Blob | Error> = new Map()): Held {
  const { manifest, blobs } = sigManifest(layers)
  return { manifest, blobs: new Map([...blobs.map(blob => [blob.digest, blob] as const), ...answers]) }
}
function asSchema2({ bytes }: Blob): Blob {
  const mediaType = 'application/vnd.docker.distribution.manifest.v2+json'
  return blobOf(JSON.stringify({ ...JSON.parse(bytes.toString()), mediaType }), mediaType)
}
const find = (source: SignatureSource) =>
  findSigTag(source, repository, image.digest, limits, AbortSignal.timeout(1000))

t.test('one signature for each layer, in their order, by the tag of the digest', async t => {
  const { source, asked } = sourceOf(of([layer('a'), layer('b')]))
  const found = await find(source)
  t.equal(asked[0], `sha256-${image.digest.slice(7)}.sig`)
  t.equal(asked[0], sigTagOf(image.digest))
  t.match(found, {
    signatures: [{ format: 'simple-signing', origin: { name: /layer 0$/ } }, { origin: { name: /layer 1$/ } }],
    failures: NONE,
    leftOut: NONE,
  })
})

t.test('cases 220 to 223: each limit at its edge, with an error of its own', async t => {
  const many = (count: number) => of(Array.from({ length: count }, (_, index) => layer(String(index))))
  t.match(
    await find(sourceOf(many(3)).source),
    { signatures: { length: 3 }, leftOut: NONE },
    'as many as are looked at',
  )
  const more = await find(sourceOf(many(4)).source)
  t.equal(more.signatures.length, 3, 'one more')
  t.match(more.leftOut, [/has 4 signatures; only the first 3 were looked at/])
  const sized = (bytes: number): AttachedLayer => ({
    payload: blobOf(Buffer.alloc(bytes, ' '), layer('x').payload.mediaType),
    annotations: {},
  })
  t.match(
    (await find(sourceOf(of([sized(400)])).source)).signatures,
    [{ format: 'simple-signing' }],
    'as large as is read',
  )
  const { source, asked } = sourceOf(of([sized(401)]))
  t.match(
    (await find(source)).signatures,
    [{ format: 'unusable', problem: /has 401 bytes, more than 400/ }],
    'a byte more',
  )
  t.equal(asked.length, 1, 'and not fetched at all')
})

t.test('what is no signature, what is broken, and what could not be found out', async t => {
  const good = layer('good')
  const bad = layer('bad')
  const table: readonly { it: string; held: Held; finds: object }[] = [
    { it: 'no tag', held: { manifest: undefined, blobs: new Map() }, finds: { signatures: NONE, failures: NONE } },
    {
      it: 'case 52: a layer of another type',
      held: of([{ ...good, payload: blobOf('x', 'application/vnd.oci.image.layer.v1.tar') }]),
      finds: { signatures: NONE, failures: NONE },
    },
    {
      it: 'case 56: an index',
      held: {
        manifest: blobOf(`{"schemaVersion":2,"mediaType":"${OCI_INDEX}","manifests":[]}`, OCI_INDEX),
        blobs: new Map(),
      },
      finds: { signatures: [{ format: 'unusable' }] },
    },
    {
      it: 'case 56: nonsense',
      held: { manifest: blobOf('{', OCI_MANIFEST), blobs: new Map() },
      finds: { signatures: [{ format: 'unusable', problem: /malformed/ }] },
    },
    {
      it: 'case 56: an index that lists signatures',
      held: { ...of([good]), manifest: indexOf([sigManifest([good]).manifest]) },
      finds: { signatures: [{ format: 'unusable', problem: /not an OCI image manifest/ }], failures: [] },
    },
    {
      it: 'case 56: schema 2, with layers that are signatures',
      held: { ...of([good]), manifest: asSchema2(sigManifest([good]).manifest) },
      finds: { signatures: [{ format: 'unusable', problem: /not an OCI image manifest/ }], failures: [] },
    },
    {
      it: 'case 56: the image itself',
      held: { manifest: image, blobs: new Map() },
      finds: { signatures: [], failures: [] },
    },
    {
      it: 'case 55: a payload that is missing',
      held: { ...of([good, bad]), blobs: new Map([[good.payload.digest, good.payload]]) },
      finds: {
        signatures: [{ format: 'simple-signing' }, { format: 'unusable', problem: /is missing/ }],
        failures: [],
      },
    },
    {
      it: 'case 53: a payload with another digest',
      held: of([good, bad], new Map([[bad.payload.digest, new UnusableContentError('other bytes')]])),
      finds: {
        signatures: [{ format: 'simple-signing' }, { format: 'unusable', problem: 'other bytes' }],
        failures: NONE,
      },
    },
    {
      it: 'a payload that could not be had',
      held: of([good, bad], new Map([[bad.payload.digest, new Error('down')]])),
      finds: { signatures: { length: 1 }, failures: [{ place: /layer 1$/, cause: { message: 'down' } }] },
    },
  ]
  for (const { it, held, finds } of table) {
    const { source, asked } = sourceOf(held)
    t.match(await find(source), finds, it)
    if (it.startsWith('case 56')) t.same(asked, [sigTagOf(image.digest)], `${it}: nothing else is fetched`)
  }
  const down: SignatureSource = { ...sourceOf(of([])).source, manifest: () => Promise.reject(new Error('down')) }
  t.match(
    await find(down),
    { signatures: NONE, failures: [{ place: /\.sig$/ }] },
    'a tag that could not be asked for is never "none"',
  )
})
