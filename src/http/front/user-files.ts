import { isUserName } from './authorization.ts'

/** Secrets by user's name, or what is wrong with the file, by line. No problem repeats a secret. */
export type ParsedUsers =
  | { readonly ok: true; readonly users: ReadonlyMap<string, string> }
  | { readonly ok: false; readonly problems: readonly string[] }

// Apache's htpasswd -B writes $2y$; the hash is 22 characters of salt and 31 of digest.
const BCRYPT = /^\$2[aby]\$(?:0[4-9]|1[0-7])\$[./A-Za-z0-9]{53}$/
const SHA256_HEX = /^[0-9a-f]{64}$/

/** An htpasswd file: `user:$2y$…`, bcrypt alone (`htpasswd -B`), for all else in it can be guessed at speed. */
export function parseHtpasswd(text: string): ParsedUsers {
  return parseLines(text, secret => (BCRYPT.test(secret) ? undefined : 'is no bcrypt hash (htpasswd -B)'))
}

/** A file of tokens: `name: <SHA-256 of the token, in hex>`. */
export function parseTokenFile(text: string): ParsedUsers {
  return parseLines(text, secret =>
    SHA256_HEX.test(secret) ? undefined : 'is no SHA-256 in hex (64 digits, lower case)',
  )
}

function parseLines(text: string, problemOf: (secret: string) => string | undefined): ParsedUsers {
  const users = new Map<string, string>()
  const problems: string[] = []
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) continue
    const colon = line.indexOf(':')
    const user = line.slice(0, Math.max(colon, 0)).trim()
    const secret = line.slice(colon + 1).trim()
    if (!isUserName(user)) problems.push(`line ${index + 1}: expected "user: secret"`)
    else if (users.has(user)) problems.push(`line ${index + 1}: the user ${user} is there twice`)
    else {
      const problem = problemOf(secret)
      if (problem !== undefined) problems.push(`line ${index + 1}: what ${user} has ${problem}`)
      users.set(user, secret)
    }
  }
  return problems.length === 0 ? { ok: true, users } : { ok: false, problems }
}
