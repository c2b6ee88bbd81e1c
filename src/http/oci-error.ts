import { STATUS_CODES } from 'node:http'

/** Errors as registries write them. distribution-spec 1.1, "Error Codes"; clients.md section 5.2 for the shape. */

export type OciErrorCode =
  | 'BLOB_UNKNOWN'
  | 'BLOB_UPLOAD_INVALID'
  | 'BLOB_UPLOAD_UNKNOWN'
  | 'DENIED'
  | 'DIGEST_INVALID'
  | 'MANIFEST_BLOB_UNKNOWN'
  | 'MANIFEST_INVALID'
  | 'MANIFEST_UNKNOWN'
  | 'NAME_INVALID'
  | 'NAME_UNKNOWN'
  | 'PAGINATION_NUMBER_INVALID'
  | 'RANGE_INVALID'
  | 'SIZE_INVALID'
  | 'TAG_INVALID'
  | 'TOOMANYREQUESTS'
  | 'UNAUTHORIZED'
  | 'UNAVAILABLE'
  | 'UNKNOWN'
  | 'UNSUPPORTED'

/** An answer that is an error: what `sendError` needs. */
export type ErrorAnswer = {
  readonly status: number
  readonly code: OciErrorCode
  readonly message: string
  /** A short string; docker drops anything else, crane prints it as a Go map. */
  readonly detail?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** Every client prints it whole, on one line. */
export const MAX_MESSAGE_LENGTH = 250

/** The body: no key beside `errors`, for docker takes `details` at the top for the legacy format and hides the rest. */
export function errorBody({ code, message, detail }: ErrorAnswer): string {
  return JSON.stringify({ errors: [{ code, message: oneLine(message), ...(detail === undefined ? {} : { detail }) }] })
}

/**
 * What stands behind the status code: its own words first, for those who look for them, and then the message. RFC 9112 section 4
 * leaves it to the server, HTAB, SP, VCHAR and obs-text alone.
 */
export function reasonPhrase({ status, message }: Pick<ErrorAnswer, 'status' | 'message'>): string {
  return headerValue(`${STATUS_CODES[status] ?? 'Error'}: ${oneLine(message)}`)
}

/** One printable line of at most MAX_MESSAGE_LENGTH characters. */
export function oneLine(text: string): string {
  // eslint-disable-next-line no-control-regex
  const line = text.replace(/[\x00-\x1f\x7f\u2028\u2029]+/g, ' ').trim()
  return line.length <= MAX_MESSAGE_LENGTH ? line : `${line.slice(0, MAX_MESSAGE_LENGTH - 1)}…`
}

/** A text as a header value: printable ASCII only, and short. */
export function headerValue(text: string): string {
  return text
    .replace(/…/g, '...')
    .replace(/[^\x20-\x7e]/g, '?')
    .slice(0, 500)
}
