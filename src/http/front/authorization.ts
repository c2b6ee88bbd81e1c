import type { IncomingMessage } from 'node:http'

/**
 * Credentials that a client gave. Those for the gate are compared and forgotten; never logged, and sent to nobody but the
 * one registry that is configured with `credentials: client` and that they were given for (case 152).
 */
export type GivenCredentials =
  | { readonly kind: 'none' }
  /** Something that is no credentials of ours: answered as wrong ones are. */
  | { readonly kind: 'malformed' }
  | { readonly kind: 'basic'; readonly user: string; readonly password: string }
  | { readonly kind: 'bearer'; readonly token: string }

// RFC 7617: base64 with its padding; RFC 6750: b64token. Schemes are case-insensitive, RFC 9110 section 11.1.
const BASIC = /^basic +((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)$/i
const BEARER = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i
/** A user's name goes into logs and is compared with the configuration's: printable ASCII, short. */
const USER = /^[\x21-\x39\x3b-\x7e]{1,128}$/
const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * Reads the Authorization headers of a request; strict, so that what is compared is what was sent.
 *
 * @param headers every value of the header, in their order: more than one is malformed
 */
export function parseAuthorization(headers: readonly string[]): GivenCredentials {
  const [header, second] = headers
  if (header === undefined) return { kind: 'none' }
  if (second !== undefined) return { kind: 'malformed' }
  const token = BEARER.exec(header)?.[1]
  if (token !== undefined) return { kind: 'bearer', token }
  const encoded = BASIC.exec(header)?.[1]
  if (encoded === undefined) return { kind: 'malformed' }
  const text = decoded(encoded)
  const colon = text?.indexOf(':') ?? -1
  if (text === undefined || colon === -1) return { kind: 'malformed' }
  const user = text.slice(0, colon)
  const password = text.slice(colon + 1)
  return isUserName(user) && !password.includes('\0') ? { kind: 'basic', user, password } : { kind: 'malformed' }
}

/** Every value of the header. Node joins or drops repeated ones; each of them counts here. */
export function authorizationsOf({ rawHeaders }: Pick<IncomingMessage, 'rawHeaders'>): readonly string[] {
  return rawHeaders.filter(
    (_text, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === 'authorization',
  )
}

/** Whether a text can be the name of a user: printable ASCII without a colon, at most 128 characters. */
export function isUserName(text: string): boolean {
  return USER.test(text)
}

function decoded(base64: string): string | undefined {
  try {
    return utf8.decode(Buffer.from(base64, 'base64'))
  } catch {
    // Bytes that are no UTF-8 are nobody's password here; the caller answers 401.
    return undefined
  }
}
