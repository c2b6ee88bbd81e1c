import type { Digest } from '../reference/digest.ts'
import type { RegistryComplaint } from './error-list.ts'

export type UpstreamErrorCode =
  /** The upstream wants credentials that it was not given, or not these. */
  | 'UNAUTHORIZED'
  | 'FORBIDDEN'
  | 'RATE_LIMITED'
  /** It answered 5xx, or a status that has no meaning here. */
  | 'SERVER_ERROR'
  | 'TIMED_OUT'
  | 'UNREACHABLE'
  /** It answered something that is not what the protocol says. */
  | 'BAD_ANSWER'
  | 'DIGEST_MISMATCH'
  | 'TOO_LARGE'
  /** It refuses a push for a reason of the pusher's: `status` and `complaints` are what it said. */
  | 'PUSH_REFUSED'
  /** What it wants to be shown is configured, and cannot be read. */
  | 'CREDENTIALS_UNREADABLE'
  /** It points at a host that the configuration does not allow. */
  | 'BLOCKED'

export type UpstreamErrorDetails = ErrorOptions & {
  readonly retryAfterSeconds?: number | undefined
  /** The HTTP status, where there was one. */
  readonly status?: number | undefined
  /** What the upstream itself said, made fit to print. */
  readonly complaints?: readonly RegistryComplaint[] | undefined
  /** Of a DIGEST_MISMATCH: what was asked for, and what came. */
  readonly digests?: { readonly expected: Digest; readonly actual: Digest } | undefined
}

/** An upstream did not give what was asked of it. The message is one line and never holds credentials or tokens. */
export class UpstreamError extends Error {
  override readonly name = 'UpstreamError'
  readonly code: UpstreamErrorCode
  readonly retryAfterSeconds: number | undefined
  readonly status: number | undefined
  readonly complaints: readonly RegistryComplaint[]
  readonly digests: { readonly expected: Digest; readonly actual: Digest } | undefined

  constructor(code: UpstreamErrorCode, message: string, details: UpstreamErrorDetails = {}) {
    const { retryAfterSeconds, status, complaints, digests, ...options } = details
    super(message, options)
    this.code = code
    this.retryAfterSeconds = retryAfterSeconds
    this.status = status
    this.complaints = complaints ?? []
    this.digests = digests
  }
}
