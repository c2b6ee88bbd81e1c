import t from 'tap'
import type { Descriptor } from '../../src/manifest/descriptor.ts'
import { digestOf, type Digest } from '../../src/reference/digest.ts'
import { parseRegistryHost, repositoryOf, type Repository } from '../../src/reference/repository.ts'
import { findReferrerBundles } from '../../src/signatures/find-referrer-bundles.ts'
import type { FoundSignatures } from '../../src/signatures/found-signatures.ts'
import { UnusableContentError, type SignatureSource } from '../../src/signatures/signature-source.ts'
import { blobOf, OCI_INDEX, OCI_MANIFEST, type Blob } from '../support/signer.ts'

const repository = ((): Repository => {
  const host = parseRegistryHost('example.org')
  const parsed = host && repositoryOf(host, 'app')
  if (parsed === undefined) throw new Error('no repository')
  return parsed
})()
const subject = digestOf(Buffer.from('the image'))
const BUNDLE = 'application/vnd.dev.sigstore.bundle.v0.3+json'
const SCHEMA2 = 'application/vnd.docker.distribution.manifest.v2+json'
const limits = { maxSignatures: 64, maxSignatureBytes: 1024 }

type Referrer = { readonly manifest: Blob; readonly blobs: readonly Blob[]; readonly listedAs: Partial<Descriptor> }

/** A manifest that refers to the image, and how a list of referrers describes it. */
function referrer(options: {
  readonly layers?: readonly Blob[]
  readonly about?: Digest | undefined
  readonly mediaType?: string
  readonly listedAs?: Partial<Descriptor>
  readonly text?: string
}): Referrer {
  const layers = options.layers ?? [blobOf('a bundle', BUNDLE)]
  const describe = ({ mediaType, digest, size }: Blob): object => ({ mediaType, digest, size })
  const about = 'about' in options ? options.about : subject
  const text =
    options.text ??
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: describe(blobOf('{}', 'application/vnd.oci.empty.v1+json')),
      layers: layers.map(describe),
      ...(about === undefined ? {} : { subject: { mediaType: OCI_MANIFEST, digest: about, size: 1 } }),
    })
  return {
    manifest: blobOf(text, options.mediaType ?? OCI_MANIFEST),
    blobs: layers,
    listedAs: options.listedAs ?? {},
  }
}

type Watch = { atOnce: number; most: number }

/** A registry with these referrers; look-ups of `broken` digests fail, those of `bad` are unusable. */
function registry(
  referrers: readonly Referrer[],
  faults: {
    readonly broken?: readonly Digest[]
    readonly bad?: readonly Digest[]
    readonly missing?: readonly Digest[]
  } = {},
  watch: Watch = { atOnce: 0, most: 0 },
): SignatureSource {
  const blobs = new Map(
    referrers.flatMap(({ manifest, blobs: own }) => [manifest, ...own]).map(one => [one.digest, one]),
  )
  const get = async (digest: Digest): Promise<Blob | undefined> => {
    watch.atOnce += 1
    watch.most = Math.max(watch.most, watch.atOnce)
    await new Promise(resolve => setImmediate(resolve))
    watch.atOnce -= 1
    if (faults.broken?.includes(digest) === true) throw new Error('503')
    if (faults.bad?.includes(digest) === true) throw new UnusableContentError('has another digest')
    return faults.missing?.includes(digest) === true ? undefined : blobs.get(digest)
  }
  return {
    manifest: async (_repository, reference) => {
      const found = await get(reference as Digest)
      return found && { bytes: found.bytes, contentType: found.mediaType }
    },
    blob: async (_repository, { digest }) => (await get(digest))?.bytes,
    referrers: async () =>
      referrers.map(({ manifest, listedAs }) => ({
        mediaType: manifest.mediaType,
        digest: manifest.digest,
        size: manifest.size,
        annotations: new Map(),
        untrustedArtifactType: undefined,
        ...listedAs,
      })),
  }
}

const find = (source: SignatureSource, of = limits): Promise<FoundSignatures> =>
  findReferrerBundles(source, repository, subject, of, AbortSignal.timeout(5000))
const words = (found: FoundSignatures): readonly string[] =>
  found.signatures.map(one =>
    one.format === 'bundle'
      ? Buffer.from(one.untrustedBytes).toString()
      : one.format === 'unusable'
        ? `unusable: ${one.problem}`
        : one.format,
  )

t.test('case 62: a manifest is read, and never its description believed', async t => {
  const table: readonly { it: string; referrer: Referrer; is: readonly (string | RegExp)[] }[] = [
    { it: 'described as nothing', referrer: referrer({}), is: ['a bundle'] },
    {
      it: 'described as something else',
      referrer: referrer({ listedAs: { untrustedArtifactType: 'application/spdx+json' } }),
      is: ['a bundle'],
    },
    {
      it: 'described as a bundle, and none',
      referrer: referrer({
        layers: [blobOf('an SBOM', 'application/spdx+json')],
        listedAs: { untrustedArtifactType: BUNDLE },
      }),
      is: [],
    },
    { it: 'about another image', referrer: referrer({ about: digestOf(Buffer.from('other')) }), is: [] },
    { it: 'about nothing', referrer: referrer({ about: undefined }), is: [] },
    { it: 'two bundles', referrer: referrer({ layers: [blobOf('1', BUNDLE), blobOf('2', BUNDLE)] }), is: ['1', '2'] },
    {
      it: 'a bundle beside something else',
      referrer: referrer({ layers: [blobOf('sbom', 'text/spdx'), blobOf('2', BUNDLE)] }),
      is: ['2'],
    },
    {
      it: 'of version 0.1',
      referrer: referrer({ layers: [blobOf('1', 'application/vnd.dev.sigstore.bundle+json;version=0.1')] }),
      is: ['1'],
    },
    {
      it: 'an index',
      referrer: referrer({
        mediaType: OCI_INDEX,
        text: JSON.stringify({
          schemaVersion: 2,
          mediaType: OCI_INDEX,
          manifests: [],
          subject: { mediaType: OCI_MANIFEST, digest: subject, size: 1 },
        }),
      }),
      is: [],
    },
    {
      it: 'a manifest of schema 2, which has no subject by any specification',
      referrer: referrer({
        mediaType: SCHEMA2,
        text: referrer({}).manifest.bytes.toString().replace(OCI_MANIFEST, SCHEMA2),
      }),
      is: [],
    },
    { it: 'no manifest', referrer: referrer({ text: '<html>' }), is: [/^unusable: malformed/] },
    {
      it: 'too large a bundle',
      referrer: referrer({ layers: [blobOf('x'.repeat(1025), BUNDLE)] }),
      is: [/^unusable: .*1025 bytes/],
    },
  ]
  for (const { it, referrer: one, is } of table) {
    const found = await find(registry([one]))
    t.match(words(found), is, it)
    t.equal(words(found).length, is.length, it)
    t.same(found.failures, [], it)
  }
})

t.test('what could not be found out is a failure, and hides nothing', async t => {
  const [one, two] = [referrer({ layers: [blobOf('1', BUNDLE)] }), referrer({ layers: [blobOf('2', BUNDLE)] })]
  const blob = one.blobs[0]?.digest ?? subject
  const manifest = one.manifest.digest
  const table: readonly {
    it: string
    faults: Parameters<typeof registry>[1]
    is: readonly (string | RegExp)[]
    failures: number
  }[] = [
    { it: 'a manifest fails', faults: { broken: [manifest] }, is: ['2'], failures: 1 },
    { it: 'a bundle fails', faults: { broken: [blob] }, is: ['2'], failures: 1 },
    { it: 'case 53: a manifest with another digest', faults: { bad: [manifest] }, is: [/^unusable/, '2'], failures: 0 },
    { it: 'case 53: a bundle with another digest', faults: { bad: [blob] }, is: [/^unusable/, '2'], failures: 0 },
    { it: 'a manifest is missing', faults: { missing: [manifest] }, is: [/^unusable/, '2'], failures: 0 },
    { it: 'a bundle is missing', faults: { missing: [blob] }, is: [/^unusable/, '2'], failures: 0 },
  ]
  for (const { it, faults, is, failures } of table) {
    const found = await find(registry([one, two], faults))
    t.match(
      words(found).toSorted((a, b) => b.localeCompare(a)),
      is,
      it,
    )
    t.equal(words(found).length, is.length, it)
    t.equal(found.failures.length, failures, it)
  }
  const source: SignatureSource = { ...registry([]), referrers: () => Promise.reject(new Error('429')) }
  t.match(await find(source), { signatures: { length: 0 }, failures: [{ place: 'the referrers' }] }, 'the list itself')
})

t.test('cases 222, 229: however many there are', async t => {
  const many = Array.from({ length: 70 }, (_, index) => referrer({ layers: [blobOf(`bundle ${index}`, BUNDLE)] }))
  const watch: Watch = { atOnce: 0, most: 0 }
  const found = await find(registry(many, {}, watch))
  t.equal(found.signatures.length, 64)
  t.match(found.leftOut, [/^70 manifests refer to it; only 64/])
  t.equal(watch.most, 8, 'at most eight look-ups at once')

  for (const [count, leftOut] of [
    [64, []],
    [65, [/^65 manifests refer to it; only 64/]],
  ] as const) {
    const edge = await find(registry(many.slice(0, count)))
    t.equal(edge.signatures.length, 64, `${count} of them`)
    t.equal(edge.leftOut.length, leftOut.length)
    t.match(edge.leftOut, leftOut)
    const inOne = referrer({ layers: many.slice(0, count).flatMap(({ blobs }) => blobs) })
    t.equal((await find(registry([inOne]))).leftOut.length, leftOut.length, `${count} in one manifest`)
  }

  const reversed = await find(registry(many.toReversed()))
  t.same(words(reversed), words(found), 'the order is not the registry’s')

  const noise = Array.from({ length: 64 }, (_, index) => referrer({ layers: [blobOf(`sbom ${index}`, 'text/spdx')] }))
  // By its digest it would be the last of them, and beyond the limit.
  const isLast = ({ manifest }: Referrer): boolean => noise.every(other => other.manifest.digest < manifest.digest)
  let hidden = referrer({ listedAs: { untrustedArtifactType: BUNDLE } })
  for (let salt = 0; !isLast(hidden); salt += 1) {
    const layers = [blobOf(`a bundle ${salt}`, BUNDLE)]
    hidden = referrer({ layers, listedAs: { untrustedArtifactType: BUNDLE } })
  }
  const seen = words(await find(registry([...noise, hidden])))
  t.match(seen, [/^a bundle/], 'other manifests do not push a signature out')
  t.equal(seen.length, 1)

  const crowded = referrer({ layers: Array.from({ length: 70 }, (_, index) => blobOf(`layer ${index}`, BUNDLE)) })
  const cut = await find(registry([crowded]))
  t.equal(cut.signatures.length, 64)
  t.match(cut.leftOut, [/^70 bundles refer to it; only 64/])
})
