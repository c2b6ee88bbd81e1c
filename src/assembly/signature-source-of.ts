import { UnusableContentError, type SignatureSource } from '../signatures/signature-source.ts'
import { UpstreamError } from '../upstream/upstream-error.ts'
import type { Upstream } from '../upstream/upstream.ts'

/**
 * An upstream as the place where signatures are looked for: what an upstream has, but with the wrong bytes or too many of
 * them, is a candidate that is out (cases 53, 223); all other failures stay failures.
 */
export function signatureSourceOf(upstream: Upstream): SignatureSource & Pick<Upstream, 'signatureList'> {
  return {
    manifest: (repository, reference, signal) => upstream.manifest(repository, reference, signal).catch(unusable),
    blob: (repository, descriptor, signal) => upstream.blob(repository, descriptor, signal).catch(unusable),
    referrers: (repository, subject, signal) => upstream.referrers(repository, subject, signal),
    signatureList: (repository, digest, signal) => upstream.signatureList(repository, digest, signal).catch(unusable),
  }
}

function unusable(error: unknown): never {
  if (error instanceof UpstreamError && (error.code === 'DIGEST_MISMATCH' || error.code === 'TOO_LARGE')) {
    throw new UnusableContentError(error.message, { cause: error })
  }
  throw error
}
