/** A key broker's name for a thing: by words (agents of 2022) or by path (everything since). */
export type ResourceName = NamedResource | KbsResource

/** "Policy", "Cosign Key": case and blanks matter. */
export type NamedResource = { readonly kind: 'name'; readonly name: string }

/** kbs://host/repository/type/tag */
export type KbsResource = {
  readonly kind: 'kbs'
  /** '' nearly always: which KBS is asked is the broker's business. */
  readonly host: string
  readonly repository: string
  readonly type: string
  readonly tag: string
}

/** What came out of a text, or one line that says what is wrong with it. */
export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string }

/** What the gate needs from a broker. */
export type ResourceKind = 'cosign-key' | 'gpg-keyring' | 'sigstore-config' | 'policy'

const SEGMENT = /^[A-Za-z0-9._-]{1,128}$/
const SEGMENTS = 3
const SCHEME = 'kbs://'
/** A name of 2022: printable, without control characters and line separators, not blank at an end. */
const NAME = /^(?! )[^\p{C}\p{Zl}\p{Zp}]{1,128}(?<! )$/u

/**
 * Parses `kbs:///repository/type/tag`. Whatever a URL parser would normalise is refused instead: dots, escapes, doubled
 * slashes, queries, fragments, credentials. So the text names one resource, and it is the one that is asked for (case 190).
 *
 * @param allowedHosts compared to the letter; a URI with another host is refused, '' is always allowed
 */
export function parseKbsUri(untrustedText: string, allowedHosts: readonly string[] = []): Parsed<KbsResource> {
  const fault = (problem: string): Parsed<KbsResource> => ({ ok: false, problem: `${quote(untrustedText)} ${problem}` })
  if (!untrustedText.startsWith(SCHEME)) return fault('is not a kbs:/// URI')
  if (/[?#]/.test(untrustedText)) return fault('has a query or fragment, which a resource has not')
  if (untrustedText.includes('%')) return fault('has percent escapes, which a resource has not')
  const [host = '', ...segments] = untrustedText.slice(SCHEME.length).split('/')
  if (host !== '' && !allowedHosts.includes(host)) return fault(`names the host ${quote(host)}: write kbs:///…`)
  const [repository, type, tag] = segments
  if (repository === undefined || type === undefined || tag === undefined || segments.length !== SEGMENTS) {
    return fault('is not of the form kbs:///repository/type/tag')
  }
  const wrong = segments.find(segment => !SEGMENT.test(segment) || segment === '.' || segment === '..')
  if (wrong !== undefined)
    return fault(`has the part ${quote(wrong)}: only letters, digits, ".", "_" and "-" are allowed`)
  return { ok: true, value: { kind: 'kbs', host, repository, type, tag } }
}

/** Parses what a configuration writes for a resource: a kbs URI, or a name of 2022 such as `Cosign Key`. */
export function parseResourceName(text: string, allowedHosts: readonly string[] = []): Parsed<ResourceName> {
  if (text.startsWith('kbs:')) return parseKbsUri(text, allowedHosts)
  if (/^[a-z][a-z0-9+.-]*:/i.test(text) || text.startsWith('/')) {
    return { ok: false, problem: `${quote(text)} is neither a kbs:///repository/type/tag URI nor a resource's name` }
  }
  if (!NAME.test(text)) return { ok: false, problem: `${quote(text)} is not a resource's name` }
  return { ok: true, value: { kind: 'name', name: text } }
}

/** `/repository/type/tag`, as the agents of 2023 want it. */
export function kbsPath(resource: KbsResource): string {
  return `/${resourceKey(resource)}`
}

/** `repository/type/tag`, as the resources file has it since 2023. */
export function resourceKey({ repository, type, tag }: KbsResource): string {
  return `${repository}/${type}/${tag}`
}

/** `kbs:///repository/type/tag` */
export function kbsUri(resource: KbsResource): string {
  return `${SCHEME}${resource.host}${kbsPath(resource)}`
}

/** For people: `"Cosign Key"` or `kbs:///default/cosign-public-key/test`. */
export function formatResource(resource: ResourceName): string {
  return resource.kind === 'name' ? quote(resource.name) : kbsUri(resource)
}

const QUOTED = 80

function quote(text: string): string {
  return JSON.stringify(text.length <= QUOTED ? text : `${text.slice(0, QUOTED)}…`)
}
