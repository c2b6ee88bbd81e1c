import type { Descriptor } from '../manifest/descriptor.ts'
import type { Digest } from '../reference/digest.ts'
import type { Repository, Tag } from '../reference/repository.ts'

/**
 * The reads that finding signatures needs. An upstream fits it by shape.
 *
 * Every method returns undefined (or nothing) exactly when the place says that there is nothing. It throws
 * UnusableContentError when what is there can never be used, and any other error when it could not be found out: a
 * time-out, a 429 or a 5xx is never "no signature".
 */
export type SignatureSource = {
  /** The bytes of a manifest by tag or digest. A digest's bytes have been checked against it. */
  readonly manifest: (
    repository: Repository,
    reference: Tag | Digest,
    signal: AbortSignal,
  ) => Promise<{ readonly bytes: Uint8Array; readonly contentType: string | undefined } | undefined>
  /** The bytes of a blob, checked against digest and size; never more than `descriptor.size`. */
  readonly blob: (
    repository: Repository,
    descriptor: Descriptor,
    signal: AbortSignal,
  ) => Promise<Uint8Array | undefined>
  /** What refers to `subject`: the referrers API, or the fallback tag where the registry has no such API. */
  readonly referrers: (repository: Repository, subject: Digest, signal: AbortSignal) => Promise<readonly Descriptor[]>
}

/** Bytes are there, but with another digest, or more of them than allowed: this candidate is out, the others count. */
export class UnusableContentError extends Error {
  override readonly name = 'UnusableContentError'
}
