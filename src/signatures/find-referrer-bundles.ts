import type { Descriptor } from '../manifest/descriptor.ts'
import { ManifestError, parseManifest, type ImageManifest } from '../manifest/manifest.ts'
import { essenceOf, isBundleMediaType, MEDIA_TYPES } from '../manifest/media-type.ts'
import { algorithmOf, type Digest } from '../reference/digest.ts'
import type { Repository } from '../reference/repository.ts'
import type { FindLimits } from './find-sig-tag.ts'
import { joinFound, NOTHING_FOUND, type FoundSignatures } from './found-signatures.ts'
import { UnusableContentError, type SignatureSource } from './signature-source.ts'
import type { SignatureOrigin } from './signature.ts'

/**
 * Finds the sigstore bundles that refer to a manifest. Every descriptor in the list of referrers is a candidate, whatever
 * artifact type it claims: registries and libraries wrote wrong and empty ones for years. The manifest itself is fetched
 * and read; it must name the digest as its subject, and its layers must be bundles (cases 62, 65).
 */
export async function findReferrerBundles(
  source: SignatureSource,
  repository: Repository,
  subject: Digest,
  limits: FindLimits,
  signal: AbortSignal,
): Promise<FoundSignatures> {
  let referrers: readonly Descriptor[]
  try {
    referrers = await source.referrers(repository, subject, signal)
  } catch (cause) {
    return { signatures: [], failures: [{ place: 'the referrers', cause }], leftOut: [] }
  }
  const candidates = [...referrers].sort(compareCandidates)
  const looked = candidates.slice(0, limits.maxSignatures)
  const listed = await inTurns(looked, one => listBundles(source, repository, subject, one, signal))
  const places = listed.flatMap(({ bundles }) => bundles)
  const bundles = await inTurns(places.slice(0, limits.maxSignatures), place =>
    readBundle(source, repository, place, limits, signal),
  )
  const leftOut = [
    ...leftOutOf(candidates.length, limits.maxSignatures, 'manifests refer to it'),
    ...leftOutOf(places.length, limits.maxSignatures, 'bundles refer to it'),
  ]
  return joinFound([...listed.map(({ found }) => found), ...bundles, { ...NOTHING_FOUND, leftOut }])
}

function leftOutOf(count: number, limit: number, what: string): readonly string[] {
  return count > limit ? [`${count} ${what}; only ${limit} of them were looked at`] : []
}

/**
 * Signatures that do exist must not be pushed out of sight by other manifests, so those that say they are bundles come
 * first. Only the order of looking follows what a descriptor claims; among equals it is the digest's, whatever order a
 * registry lists them in.
 */
function compareCandidates(a: Descriptor, b: Descriptor): number {
  return rank(a) - rank(b) || (a.digest < b.digest ? -1 : 1)
}

function rank({ untrustedArtifactType, annotations }: Descriptor): number {
  return isBundleMediaType(untrustedArtifactType ?? '') || annotations.has('dev.sigstore.bundle.content') ? 0 : 1
}

const AT_ONCE = 8

/** Works on a few items at a time; the results are in the items' order. `work` must not throw. */
async function inTurns<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<readonly R[]> {
  const results: Promise<R>[] = []
  const lanes: Promise<unknown>[] = []
  for (const [index, item] of items.entries()) {
    const before = lanes[index % AT_ONCE] ?? Promise.resolve()
    const result = before.then(() => work(item))
    lanes[index % AT_ONCE] = result
    results.push(result)
  }
  return Promise.all(results)
}

type BundlePlace = { readonly layer: Descriptor; readonly origin: SignatureOrigin }
type Listed = { readonly found: FoundSignatures; readonly bundles: readonly BundlePlace[] }

async function listBundles(
  source: SignatureSource,
  repository: Repository,
  subject: Digest,
  descriptor: Descriptor,
  signal: AbortSignal,
): Promise<Listed> {
  const origin: SignatureOrigin = { place: 'referrer', name: `referrer ${descriptor.digest}` }
  try {
    const fetched = await source.manifest(repository, descriptor.digest, signal)
    if (fetched === undefined) return { found: unusable(origin, 'its manifest is listed, but missing'), bundles: [] }
    const manifest = parseManifest(fetched.bytes, essenceOf(fetched.contentType), algorithmOf(descriptor.digest))
    // About something else, or something else than signatures: SBOMs and attestations are referrers too.
    const layers = manifest.kind === 'image' && isAbout(manifest, subject) ? bundleLayers(manifest) : []
    return { found: NOTHING_FOUND, bundles: layers.map(layer => ({ layer, origin })) }
  } catch (error) {
    if (error instanceof ManifestError || error instanceof UnusableContentError) {
      return { found: unusable(origin, error.message), bundles: [] }
    }
    return { found: { signatures: [], failures: [{ place: origin.name, cause: error }], leftOut: [] }, bundles: [] }
  }
}

function isAbout(manifest: ImageManifest, subject: Digest): boolean {
  return manifest.mediaType === MEDIA_TYPES.ociManifest && manifest.subject?.digest === subject
}

function bundleLayers(manifest: ImageManifest): readonly Descriptor[] {
  return manifest.layers.filter(layer => isBundleMediaType(layer.mediaType))
}

async function readBundle(
  source: SignatureSource,
  repository: Repository,
  { layer, origin }: BundlePlace,
  limits: FindLimits,
  signal: AbortSignal,
): Promise<FoundSignatures> {
  if (layer.size > limits.maxSignatureBytes) {
    return unusable(origin, `its bundle has ${layer.size} bytes, more than ${limits.maxSignatureBytes}`)
  }
  try {
    const untrustedBytes = await source.blob(repository, layer, signal)
    if (untrustedBytes === undefined) return unusable(origin, `its bundle ${layer.digest} is missing`)
    return { signatures: [{ format: 'bundle', origin, untrustedBytes }], failures: [], leftOut: [] }
  } catch (error) {
    if (error instanceof UnusableContentError) return unusable(origin, error.message)
    return { signatures: [], failures: [{ place: origin.name, cause: error }], leftOut: [] }
  }
}

function unusable(origin: SignatureOrigin, problem: string): FoundSignatures {
  return { signatures: [{ format: 'unusable', origin, problem }], failures: [], leftOut: [] }
}
