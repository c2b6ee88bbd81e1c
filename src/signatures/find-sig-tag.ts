import type { Descriptor } from '../manifest/descriptor.ts'
import { ManifestError, parseManifest } from '../manifest/manifest.ts'
import { essenceOf, MEDIA_TYPES } from '../manifest/media-type.ts'
import { algorithmOf, hexOf, type Digest } from '../reference/digest.ts'
import { isTag, type Repository, type Tag } from '../reference/repository.ts'
import { NOTHING_FOUND, type FoundSignatures } from './found-signatures.ts'
import { UnusableContentError, type SignatureSource } from './signature-source.ts'
import type { SignatureOrigin, UntrustedSignature } from './signature.ts'

export type FindLimits = {
  /** Signatures of one image that are looked at in one place. */
  readonly maxSignatures: number
  /** Bytes of one payload or bundle. */
  readonly maxSignatureBytes: number
}

/**
 * The tag under which cosign keeps the signatures of a digest: `sha256-<hex>.sig`. cosign's specs/SIGNATURE_SPEC.md.
 */
export function sigTagOf(digest: Digest): Tag {
  const tag = `${algorithmOf(digest)}-${hexOf(digest)}.sig`
  if (!isTag(tag)) throw new Error(`no tag can hold the signatures of ${digest}`)
  return tag
}

/**
 * Reads the signatures in a digest's `.sig` tag: one for each layer of the simple signing type. Layers of other types
 * are none, as for containers/image (case 52). A manifest of another type is not followed (case 56), a layer that
 * cannot be used does not hide the others (case 55).
 */
export async function findSigTag(
  source: SignatureSource,
  repository: Repository,
  digest: Digest,
  limits: FindLimits,
  signal: AbortSignal,
): Promise<FoundSignatures> {
  const tag = sigTagOf(digest)
  try {
    const fetched = await source.manifest(repository, tag, signal)
    if (fetched === undefined) return NOTHING_FOUND
    const manifest = parseManifest(fetched.bytes, essenceOf(fetched.contentType))
    if (manifest.kind !== 'image' || manifest.mediaType !== MEDIA_TYPES.ociManifest) {
      return unusable({ place: 'sig-tag', name: tag }, `is ${manifest.mediaType}, not an OCI image manifest`)
    }
    return await readLayers(source, repository, tag, manifest.layers, limits, signal)
  } catch (error) {
    if (error instanceof ManifestError || error instanceof UnusableContentError) {
      return unusable({ place: 'sig-tag', name: tag }, error.message)
    }
    return { signatures: [], failures: [{ place: `the tag ${tag}`, cause: error }], leftOut: [] }
  }
}

async function readLayers(
  source: SignatureSource,
  repository: Repository,
  tag: Tag,
  layers: readonly Descriptor[],
  limits: FindLimits,
  signal: AbortSignal,
): Promise<FoundSignatures> {
  const candidates = layers
    .map((layer, index) => ({ layer, origin: { place: 'sig-tag', name: `${tag} layer ${index}` } as const }))
    .filter(({ layer }) => layer.mediaType === MEDIA_TYPES.simpleSigning)
  const beyond = candidates.length - limits.maxSignatures
  const leftOut =
    beyond > 0
      ? [`${tag} has ${candidates.length} signatures; only the first ${limits.maxSignatures} were looked at`]
      : []
  const read = await Promise.allSettled(
    candidates
      .slice(0, limits.maxSignatures)
      .map(({ layer, origin }) => readLayer(source, repository, layer, origin, limits, signal)),
  )
  const signatures: UntrustedSignature[] = []
  const failures: { place: string; cause: unknown }[] = []
  read.forEach((result, index) => {
    if (result.status === 'fulfilled') signatures.push(result.value)
    else failures.push({ place: candidates[index]?.origin.name ?? tag, cause: result.reason })
  })
  return { signatures, failures, leftOut }
}

async function readLayer(
  source: SignatureSource,
  repository: Repository,
  layer: Descriptor,
  origin: SignatureOrigin,
  limits: FindLimits,
  signal: AbortSignal,
): Promise<UntrustedSignature> {
  // Not fetched at all: what a descriptor owns up to need not be read first (case 223).
  if (layer.size > limits.maxSignatureBytes) {
    return {
      format: 'unusable',
      origin,
      problem: `its payload has ${layer.size} bytes, more than ${limits.maxSignatureBytes}`,
    }
  }
  try {
    const untrustedPayload = await source.blob(repository, layer, signal)
    if (untrustedPayload === undefined)
      return { format: 'unusable', origin, problem: `its payload ${layer.digest} is missing` }
    return { format: 'simple-signing', origin, untrustedPayload, untrustedAnnotations: layer.annotations }
  } catch (error) {
    if (error instanceof UnusableContentError) return { format: 'unusable', origin, problem: error.message }
    throw error
  }
}

function unusable(origin: SignatureOrigin, problem: string): FoundSignatures {
  return { signatures: [{ format: 'unusable', origin, problem }], failures: [], leftOut: [] }
}
