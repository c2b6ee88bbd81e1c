import { readBounded } from './bounded-body.ts'
import type { DialAnswer } from './dial.ts'
import { formatComplaints, MAX_ERROR_BYTES, parseErrorList, type RegistryComplaint } from './error-list.ts'
import { letGo } from './let-go.ts'
import { UpstreamError, type UpstreamErrorCode } from './upstream-error.ts'

const MAX_RETRY_AFTER_SECONDS = 3600

export type RefusedRequest = {
  readonly host: string
  /** The thing that was asked for. */
  readonly what: string
  /** What was sent to the host, and must not come back out of its words. */
  readonly secrets: readonly string[]
}

/** What an unwanted status means, with the registry's own words where it has any. The body is read, within a limit. */
export async function statusError(answer: DialAnswer, { host, what, secrets }: RefusedRequest): Promise<UpstreamError> {
  const { status } = answer
  const complaints = await complaintsOf(answer, secrets)
  return new UpstreamError(codeOf(status), `${host} answered ${status} for ${what}${formatComplaints(complaints)}`, {
    status,
    complaints,
    retryAfterSeconds: retryAfterOf(answer),
  })
}

function codeOf(status: number): UpstreamErrorCode {
  if (status === 401) return 'UNAUTHORIZED'
  if (status === 403) return 'FORBIDDEN'
  if (status === 429) return 'RATE_LIMITED'
  return status >= 500 ? 'SERVER_ERROR' : 'BAD_ANSWER'
}

async function complaintsOf(answer: DialAnswer, secrets: readonly string[]): Promise<readonly RegistryComplaint[]> {
  if (answer.status < 400) {
    letGo(answer.body)
    return []
  }
  try {
    return parseErrorList(await readBounded(answer.body, MAX_ERROR_BYTES, 'the error'), secrets)
  } catch {
    // The status is what counts. That its explanation could not be had as well changes nothing.
    return []
  }
}

/** Retry-After in seconds, bounded; its date form is not worth reading. */
export function retryAfterOf(answer: DialAnswer): number | undefined {
  const text = answer.header('retry-after')
  return text !== undefined && /^[0-9]{1,6}$/.test(text) ? Math.min(Number(text), MAX_RETRY_AFTER_SECONDS) : undefined
}
