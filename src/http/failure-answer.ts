import { ManifestError } from '../manifest/manifest.ts'
import { TrustError } from '../trust/trust-error.ts'
import { UpstreamError } from '../upstream/upstream-error.ts'
import { BlobDigestError, ManifestInBlobError } from './blob/blob-error.ts'
import type { ErrorAnswer, OciErrorCode } from './oci-error.ts'

const RETRY_AFTER_SECONDS = 5
const PUSH_CODES: readonly OciErrorCode[] = [
  'BLOB_UNKNOWN',
  'BLOB_UPLOAD_INVALID',
  'BLOB_UPLOAD_UNKNOWN',
  'DENIED',
  'DIGEST_INVALID',
  'MANIFEST_BLOB_UNKNOWN',
  'MANIFEST_INVALID',
  'MANIFEST_UNKNOWN',
  'NAME_INVALID',
  'NAME_UNKNOWN',
  'RANGE_INVALID',
  'SIZE_INVALID',
  'TAG_INVALID',
  'UNSUPPORTED',
]
/** However long an upstream asks for, a client is not told to stay away longer (case 203). */
const MAX_RETRY_AFTER_SECONDS = 300

/**
 * The answer to a request that failed before there was a verdict. One table of what each failure means to a client;
 * whatever is not in it is 500, without a word of what went wrong inside.
 *
 * @param what the image or blob, for the message
 */
export function failureAnswer(error: unknown, what: string): ErrorAnswer {
  if (error instanceof UpstreamError) return upstreamAnswer(error, what)
  if (error instanceof ManifestError) return manifestAnswer(error, what)
  if (error instanceof ManifestInBlobError)
    return { status: 403, code: 'DENIED', message: `blocked by image policy: ${error.message}` }
  if (error instanceof BlobDigestError)
    return { status: 502, code: 'DIGEST_INVALID', message: `${what}: ${error.message}` }
  if (error instanceof TrustError) return unavailable(`cannot verify ${what} now: ${error.message}`)
  return { status: 500, code: 'UNKNOWN', message: `${what}: internal error; the log has more` }
}

function manifestAnswer(error: ManifestError, what: string): ErrorAnswer {
  switch (error.code) {
    case 'SCHEMA1':
    case 'UNKNOWN_TYPE':
    case 'AMBIGUOUS':
      return { status: 403, code: 'DENIED', message: `blocked by image policy: ${what}: ${error.message}` }
    case 'MALFORMED':
    case 'TOO_LARGE':
      return { status: 502, code: 'MANIFEST_INVALID', message: `${what}: ${error.message}` }
  }
}

function upstreamAnswer(error: UpstreamError, what: string): ErrorAnswer {
  const message = `${what}: ${error.message}`
  switch (error.code) {
    case 'UNAUTHORIZED':
      return { status: 401, code: 'UNAUTHORIZED', message }
    case 'FORBIDDEN':
      return { status: 403, code: 'DENIED', message }
    case 'RATE_LIMITED':
      return { status: 429, code: 'TOOMANYREQUESTS', message, headers: retryAfter(error.retryAfterSeconds) }
    case 'SERVER_ERROR':
    case 'TIMED_OUT':
    case 'UNREACHABLE':
    case 'CREDENTIALS_UNREADABLE':
      return unavailable(`cannot verify ${message}`, error.retryAfterSeconds)
    case 'DIGEST_MISMATCH':
    case 'TOO_LARGE':
    case 'BAD_ANSWER':
      return { status: 502, code: 'MANIFEST_INVALID', message }
    case 'PUSH_REFUSED':
      return { status: error.status ?? 502, code: codeOf(error), message }
    case 'BLOCKED':
      return { status: 502, code: 'UNAVAILABLE', message }
  }
}

/** What a registry says of a push, if that is a code of the specification's; docker and others act on some of them. */
function codeOf({ complaints }: UpstreamError): OciErrorCode {
  return PUSH_CODES.find(code => code === complaints[0]?.code) ?? 'UNKNOWN'
}

export function unavailable(message: string, retryAfterSeconds?: number): ErrorAnswer {
  return { status: 503, code: 'UNAVAILABLE', message, headers: retryAfter(retryAfterSeconds) }
}

function retryAfter(seconds: number | undefined): Readonly<Record<string, string>> {
  return { 'retry-after': String(Math.min(seconds ?? RETRY_AFTER_SECONDS, MAX_RETRY_AFTER_SECONDS)) }
}
