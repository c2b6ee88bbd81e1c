import type { Manifest } from '../manifest/manifest.ts'
import type { Repository } from '../reference/repository.ts'
import { findSigTag, type FindLimits } from '../signatures/find-sig-tag.ts'
import { NOTHING_FOUND } from '../signatures/found-signatures.ts'
import type { SignatureSource } from '../signatures/signature-source.ts'
import type { FindSignatures } from './decide.ts'

export type SignatureFinderOptions = {
  /** Where an image's signatures are looked for; undefined where the image's registry is not configured. */
  readonly sourceFor: (repository: Repository) => SignatureSource | undefined
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
): (repository: Repository, manifest: Manifest) => FindSignatures {
  return (repository, manifest) => async kind => {
    const source = options.sourceFor(repository)
    if (source === undefined) throw new Error(`no upstream for ${repository.host}`)
    const signal = AbortSignal.timeout(options.timeoutMs)
    switch (kind) {
      case 'sigstore':
        return findSigTag(source, repository, manifest.digest, options.limits, signal)
      case 'simple-signing':
        return NOTHING_FOUND
    }
  }
}
