/** What a registry asks for with a 401. RFC 9110 section 11.6.1; distribution's token authentication. */
export type Challenge =
  | { readonly scheme: 'basic' }
  | { readonly scheme: 'bearer'; readonly realm: string; readonly service: string | undefined }

const MAX_HEADER = 4096

/**
 * The challenge in a WWW-Authenticate header that this program can answer; Bearer before Basic. What scope it names is
 * not read: the scope is always made here (case 167).
 */
export function parseChallenge(header: string | undefined): Challenge | undefined {
  if (header === undefined || header.length > MAX_HEADER) return undefined
  let basic: Challenge | undefined
  for (const [, scheme = '', parameters = ''] of header.matchAll(
    /(?:^|,)\s*(basic|bearer)(?:\s+((?:[^",]|"[^"]*"|,(?!\s*(?:basic|bearer)(?:\s|$)))*))?/gi,
  )) {
    if (scheme.toLowerCase() === 'basic') basic = { scheme: 'basic' }
    else {
      const realm = parameterOf(parameters, 'realm')
      if (realm !== undefined) return { scheme: 'bearer', realm, service: parameterOf(parameters, 'service') }
    }
  }
  return basic
}

function parameterOf(parameters: string, name: string): string | undefined {
  const match = new RegExp(`(?:^|[,\\s])${name}\\s*=\\s*(?:"([^"]*)"|([^\\s",]+))`, 'i').exec(parameters)
  return match?.[1] ?? match?.[2]
}
