/** One entry of an OCI error body: distribution-spec 1.1, "Error Codes". */
export type RegistryComplaint = { readonly code: string; readonly message: string }

/** Case 221: an error body is read this far; a longer one is no OCI error list. */
export const MAX_ERROR_BYTES: number = 64 * 1024
const MAX_COMPLAINTS = 3
const MAX_MESSAGE = 160
const CODE = /^[A-Za-z0-9_]{1,40}$/

/**
 * What a registry says went wrong, made fit for one line: a few entries, short, without control characters (case 150).
 * Anything else than an OCI error list says nothing.
 *
 * @param secrets what was sent to the registry and must not come back in a message (section 7.7)
 */
export function parseErrorList(untrustedBytes: Uint8Array, secrets: readonly string[]): readonly RegistryComplaint[] {
  let untrusted: unknown
  try {
    untrusted = JSON.parse(Buffer.from(untrustedBytes).toString('utf8'))
  } catch {
    // An error page of something in between. The status has been said already.
    return []
  }
  const entries: unknown = fieldsOf(untrusted)['errors']
  if (!Array.isArray(entries)) return []
  return entries.slice(0, MAX_COMPLAINTS).flatMap((entry: unknown) => {
    const { code, message } = fieldsOf(entry)
    if (typeof code !== 'string' || !CODE.test(code)) return []
    return [{ code, message: typeof message === 'string' ? plainLine(message, secrets) : '' }]
  })
}

/** ` (TOOMANYREQUESTS: you have reached your pull rate limit)`, or nothing. */
export function formatComplaints(complaints: readonly RegistryComplaint[]): string {
  if (complaints.length === 0) return ''
  const said = complaints.map(({ code, message }) => (message === '' ? code : `${code}: ${message}`))
  return ` (${said.join('; ')})`
}

function plainLine(untrusted: string, secrets: readonly string[]): string {
  let line = untrusted
  for (const secret of secrets) if (secret !== '') line = line.replaceAll(secret, '…')
  // Control and format characters: a terminal and a log line must show what is there.
  const plain = line.replaceAll(/[\p{C}\p{Z}]+/gu, ' ').trim()
  return plain.length <= MAX_MESSAGE ? plain : `${plain.slice(0, MAX_MESSAGE)}…`
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}
