import { withDeadline } from '../cache/deadline.ts'
import type { Manifest } from '../manifest/manifest.ts'
import { digestOf, type Digest } from '../reference/digest.ts'
import type { ImageReference } from '../reference/image-reference.ts'
import { sameRepository, type Repository } from '../reference/repository.ts'
import { findLookaside, type LookasideRead } from '../signatures/find-lookaside.ts'
import { findReferrerBundles } from '../signatures/find-referrer-bundles.ts'
import { findSigTag, type FindLimits } from '../signatures/find-sig-tag.ts'
import { joinFound, NOTHING_FOUND, type FoundSignatures } from '../signatures/found-signatures.ts'
import { lookasideFor, lookasideLocation, type LookasideConfig } from '../signatures/lookaside.ts'
import { findInSignatureExtension } from '../signatures/signature-extension.ts'
import type { SignatureSource } from '../signatures/signature-source.ts'
import type { FindSignatures } from './decide.ts'

/** A registry as far as finding signatures goes. */
export type FinderSource = SignatureSource & {
  readonly signatureList: (
    repository: Repository,
    digest: Digest,
    signal: AbortSignal,
  ) => Promise<Uint8Array | undefined>
}

export type SignatureFinderOptions = {
  /** Where an image's signatures are looked for; undefined where the image's registry is not configured. */
  readonly sourceFor: (repository: Repository) => FinderSource | undefined
  /** Another repository that an image's signatures are kept in. */
  readonly elsewhere: (reference: ImageReference) => Repository | undefined
  readonly lookaside: LookasideConfig
  readonly readLookaside: (location: string, signal: AbortSignal) => Promise<LookasideRead>
  readonly limits: FindLimits
  /** Milliseconds for all look-ups of one verdict together. */
  readonly timeoutMs: number
}

/**
 * Looks in every place where a signature of a manifest may be. All places are always looked at, side by side: what one
 * of them says never switches off another (clients.md section 1.11).
 */
export function signatureFinder(
  options: SignatureFinderOptions,
): (reference: ImageReference, manifest: Manifest) => FindSignatures {
  const { limits } = options
  return (reference, manifest) => kind =>
    withDeadline(options.timeoutMs, signal => findAll(kind, reference, manifest, signal))

  async function findAll(
    kind: Parameters<FindSignatures>[0],
    reference: ImageReference,
    manifest: Manifest,
    signal: AbortSignal,
  ): Promise<FoundSignatures> {
    // Signers name an image by its sha256 digest, whatever digest it is pulled by; a tag could not hold a longer one.
    const digest = digestOf(manifest.bytes)
    switch (kind) {
      case 'sigstore':
        return joinFound(
          await Promise.all([
            ...repositoriesOf(reference).flatMap(repository => inRepository(repository, digest, manifest, signal)),
            inLookaside(reference, digest, signal),
          ]),
        )
      case 'simple-signing': {
        const { repository } = reference
        const source = sourceOf(repository)
        const fetchJson = (): Promise<Uint8Array | undefined> => source.signatureList(repository, digest, signal)
        return joinFound(
          await Promise.all([
            inLookaside(reference, digest, signal),
            findInSignatureExtension({ fetchJson, repository, digest, limits }),
          ]),
        )
      }
    }
  }

  function repositoriesOf(reference: ImageReference): readonly Repository[] {
    const other = options.elsewhere(reference)
    const isOther = other !== undefined && !sameRepository(other, reference.repository)
    return isOther ? [reference.repository, other] : [reference.repository]
  }

  function inRepository(
    repository: Repository,
    digest: Digest,
    manifest: Manifest,
    signal: AbortSignal,
  ): readonly Promise<FoundSignatures>[] {
    const source = sourceOf(repository)
    return [
      findSigTag(source, repository, digest, limits, signal),
      ...[...new Set([digest, manifest.digest])].map(subject =>
        findReferrerBundles(source, repository, subject, limits, signal),
      ),
    ]
  }

  function sourceOf(repository: Repository): FinderSource {
    const source = options.sourceFor(repository)
    if (source === undefined) throw new Error(`no upstream for ${repository.host}`)
    return source
  }

  async function inLookaside(reference: ImageReference, digest: Digest, signal: AbortSignal): Promise<FoundSignatures> {
    const base = lookasideFor(options.lookaside, reference)
    if (base === undefined) return NOTHING_FOUND
    const location = lookasideLocation(base, reference.repository, digest)
    return findLookaside(location, at => options.readLookaside(at, signal))
  }
}
