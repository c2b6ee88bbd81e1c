/** What a registry asks for with a 401. RFC 9110 section 11.6.1; distribution's token authentication. */
export type Challenge =
  | { readonly scheme: 'basic' }
  | { readonly scheme: 'bearer'; readonly realm: string; readonly service: string | undefined }

const MAX_HEADER = 4096
const TOKEN = "[A-Za-z0-9!#$%&'*+.^_`|~-]+"
const SCHEME = new RegExp(`[\\s,]*(${TOKEN})(?=[\\s,]|$)`, 'y')
const PARAMETER = new RegExp(`[\\s,]*(${TOKEN})\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|([^\\s",]+))`, 'y')
/** The other form of a challenge, as in `Negotiate YII=`: read over. */
const TOKEN68 = /\s+[A-Za-z0-9._~+/-]+=*(?=\s*(?:,|$))/y

/**
 * The challenge in a WWW-Authenticate header that this program can answer; Bearer before Basic. What scope it names is
 * not read: the scope is always made here (case 167). A parameter that is there twice could be read in two ways, and makes
 * its challenge none.
 */
export function parseChallenge(header: string | undefined): Challenge | undefined {
  if (header === undefined || header.length > MAX_HEADER) return undefined
  let basic: Challenge | undefined
  let at = 0
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at
    const match = pattern.exec(header)
    if (match === null) return undefined
    at = pattern.lastIndex
    return match
  }
  for (let scheme = take(SCHEME); scheme !== undefined; scheme = take(SCHEME)) {
    const parameters = new Map<string, string>()
    let isAmbiguous = false
    for (let one = take(PARAMETER); one !== undefined; one = take(PARAMETER)) {
      const name = one[1]?.toLowerCase() ?? ''
      isAmbiguous ||= parameters.has(name)
      parameters.set(name, one[2]?.replaceAll(/\\(.)/g, '$1') ?? one[3] ?? '')
    }
    if (parameters.size === 0) take(TOKEN68)
    if (isAmbiguous) continue
    const realm = parameters.get('realm')
    const kind = scheme[1]?.toLowerCase()
    if (kind === 'bearer' && realm !== undefined && realm !== '') {
      return { scheme: 'bearer', realm, service: parameters.get('service') }
    }
    if (kind === 'basic') basic = { scheme: 'basic' }
  }
  return basic
}
