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
  // Signatures that do exist must not be pushed out of sight by other manifests: those that say they are bundles first.
  const candidates = [...referrers].sort((a, b) => rank(a) - rank(b))
  const leftOut =
    candidates.length > limits.maxSignatures
      ? [`${candidates.length} manifests refer to it; only ${limits.maxSignatures} of them were looked at`]
      : []
  const found = await Promise.all(
    candidates
      .slice(0, limits.maxSignatures)
      .map(one => readReferrer(source, repository, subject, one, limits, signal)),
  )
  return joinFound([...found, { ...NOTHING_FOUND, leftOut }])
}

/** Only the order of looking follows what a descriptor claims; nothing is decided on it. */
function rank({ untrustedArtifactType, annotations }: Descriptor): number {
  return isBundleMediaType(untrustedArtifactType ?? '') || annotations.has('dev.sigstore.bundle.content') ? 0 : 1
}

async function readReferrer(
  source: SignatureSource,
  repository: Repository,
  subject: Digest,
  descriptor: Descriptor,
  limits: FindLimits,
  signal: AbortSignal,
): Promise<FoundSignatures> {
  const origin: SignatureOrigin = { place: 'referrer', name: `referrer ${descriptor.digest}` }
  try {
    const fetched = await source.manifest(repository, descriptor.digest, signal)
    if (fetched === undefined) return NOTHING_FOUND
    const manifest = parseManifest(fetched.bytes, essenceOf(fetched.contentType), algorithmOf(descriptor.digest))
    const bundles = manifest.kind === 'image' && isAbout(manifest, subject) ? bundleLayers(manifest) : []
    return joinFound(
      await Promise.all(bundles.map(layer => readBundle(source, repository, layer, origin, limits, signal))),
    )
  } catch (error) {
    // What cannot be read as a manifest is no signature; most referrers are something else anyway.
    if (error instanceof ManifestError || error instanceof UnusableContentError) return NOTHING_FOUND
    return { signatures: [], failures: [{ place: origin.name, cause: error }], leftOut: [] }
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
  layer: Descriptor,
  origin: SignatureOrigin,
  limits: FindLimits,
  signal: AbortSignal,
): Promise<FoundSignatures> {
  const unusable = (problem: string): FoundSignatures => ({
    signatures: [{ format: 'unusable', origin, problem }],
    failures: [],
    leftOut: [],
  })
  if (layer.size > limits.maxSignatureBytes) {
    return unusable(`its bundle has ${layer.size} bytes, more than ${limits.maxSignatureBytes}`)
  }
  try {
    const untrustedBytes = await source.blob(repository, layer, signal)
    if (untrustedBytes === undefined) return unusable(`its bundle ${layer.digest} is missing`)
    return { signatures: [{ format: 'bundle', origin, untrustedBytes }], failures: [], leftOut: [] }
  } catch (error) {
    if (error instanceof UnusableContentError) return unusable(error.message)
    return { signatures: [], failures: [{ place: origin.name, cause: error }], leftOut: [] }
  }
}
