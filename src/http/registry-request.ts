import { isDigest, parseDigest, type Digest } from '../reference/digest.ts'
import {
  isTag,
  parseRegistryHost,
  repositoryOf,
  type RegistryHost,
  type Repository,
  type Tag,
} from '../reference/repository.ts'

/** What a request to /v2 asks for, parsed once from the raw request target. Everything later is rebuilt from this. */
export type RegistryRequest =
  /** The registry that this address of the gate stands for; undefined: any of them. */
  | { readonly kind: 'base'; readonly host: RegistryHost | undefined }
  | { readonly kind: 'manifest'; readonly target: Target; readonly reference: Tag | Digest }
  | { readonly kind: 'blob'; readonly target: Target; readonly digest: Digest }
  | {
      readonly kind: 'referrers'
      readonly target: Target
      readonly subject: Digest
      readonly artifactType: string | undefined
    }
  | {
      readonly kind: 'tags'
      readonly target: Target
      readonly page: { readonly n: number | undefined; readonly last: Tag | undefined }
    }
  /** Where uploads begin: POST, with `digest` for a blob in one request, with `mount` for one that is there already. */
  | {
      readonly kind: 'uploads'
      readonly target: Target
      readonly digest: Digest | undefined
      readonly mount: Digest | undefined
      readonly from: Repository | undefined
    }
  /** An upload under way, by the token that its Location carried. */
  | { readonly kind: 'upload'; readonly target: Target; readonly token: string; readonly digest: Digest | undefined }
  | { readonly kind: 'problem'; readonly problem: RequestProblem }

/** The repository that is meant, and how the client wrote it (links in answers must be written the same way). */
export type Target = {
  readonly repository: Repository
  readonly nameAsAsked: string
  readonly ns: string | undefined
  /** By what the client said which registry. */
  readonly named: 'host-name' | 'ns' | 'path' | 'default'
}

export type RequestProblem = {
  readonly code:
    | 'NOT_FOUND'
    | 'NAME_INVALID'
    | 'TAG_INVALID'
    | 'DIGEST_INVALID'
    | 'PAGINATION_NUMBER_INVALID'
    | 'UNKNOWN_HOST'
    | 'UNSUPPORTED'
  readonly message: string
}

/** Which image a name means, depending on the configuration. design.md section 3. */
export type Names = {
  readonly registries: ReadonlySet<RegistryHost>
  readonly defaultRegistry: RegistryHost | undefined
  /** Host names of the gate's own, lower case without port, that stand for one registry each. */
  readonly hostNames: ReadonlyMap<string, RegistryHost>
}

/** The largest page of tags that is asked for; a client may ask for less (CVE-2023-2253). */
export const MAX_TAGS_PAGE = 1000

// No `%`, `\`, `;`, `#` or `//` survives this: what the policy judges is what the upstream is asked (cases 133 to 136).
const PATH = /^\/v2\/([a-zA-Z0-9][a-zA-Z0-9._:/-]*)\/(manifests|blobs|referrers|tags)\/([^/]+)$/
const UPLOAD = /^\/v2\/([a-zA-Z0-9][a-zA-Z0-9._:/-]*)\/blobs\/uploads\/?([A-Za-z0-9_-]*)$/

/**
 * Reads a request target in origin form.
 *
 * @param rawTarget as it stood in the request line; nothing may have decoded or normalised it
 * @param hostHeader the one Host header
 */
export function parseRegistryRequest(rawTarget: string, hostHeader: string | undefined, names: Names): RegistryRequest {
  const mark = rawTarget.indexOf('?')
  const path = mark === -1 ? rawTarget : rawTarget.slice(0, mark)
  if (path === '/v2/' || path === '/v2') {
    return { kind: 'base', host: hostMeant(new URLSearchParams(rawTarget.slice(path.length)), hostHeader, names) }
  }
  const upload = UPLOAD.exec(path)
  const match = upload === null ? PATH.exec(path) : null
  const [, name, kind, encodedLast] = match ?? (upload && [path, upload[1], 'uploads', upload[2]]) ?? []
  if (name === undefined || kind === undefined || encodedLast === undefined) return unreadable(path)
  const query = new URLSearchParams(mark === -1 ? '' : rawTarget.slice(mark + 1))
  const resolved = resolveName(name, query, hostHeader, names)
  if ('kind' in resolved) return resolved
  // A client may escape the colon of a digest; nothing else in this place is ever escaped.
  const last = encodedLast.replace(/%3a/i, ':')

  switch (kind) {
    case 'manifests': {
      if (last.includes(':')) {
        const digest = parseDigest(last)
        if (digest === undefined) return problem('DIGEST_INVALID', `${quote(last)} is not a sha256 or sha512 digest`)
        return { kind: 'manifest', target: resolved, reference: digest }
      }
      if (!isTag(last)) return problem('TAG_INVALID', `${quote(last)} is not a tag`)
      return { kind: 'manifest', target: resolved, reference: last }
    }
    case 'blobs':
      if (!isDigest(last)) return problem('DIGEST_INVALID', `${quote(last)} is not a sha256 or sha512 digest`)
      return { kind: 'blob', target: resolved, digest: last }
    case 'uploads':
      return uploadRequest(resolved, last, query, from => resolveName(from, query, hostHeader, names))
    case 'referrers':
      if (!isDigest(last)) return problem('DIGEST_INVALID', `${quote(last)} is not a sha256 or sha512 digest`)
      return {
        kind: 'referrers',
        target: resolved,
        subject: last,
        artifactType: query.get('artifactType') ?? undefined,
      }
    default:
      return last === 'list' ? tagsRequest(resolved, query) : unreadable(path)
  }
}

function uploadRequest(
  target: Target,
  token: string,
  query: URLSearchParams,
  resolve: (name: string) => Target | Extract<RegistryRequest, { kind: 'problem' }>,
): RegistryRequest {
  const digests = { digest: query.get('digest'), mount: query.get('mount') }
  for (const [name, text] of Object.entries(digests)) {
    if (text !== null && !isDigest(text)) {
      return problem('DIGEST_INVALID', `${name}=${quote(text)} is not a sha256 or sha512 digest`)
    }
  }
  const digest = digests.digest === null ? undefined : parseDigest(digests.digest)
  if (token !== '') return { kind: 'upload', target, token, digest }
  const mounted = digests.mount === null ? undefined : parseDigest(digests.mount)
  const from = query.get('from')
  const source = from === null ? undefined : resolve(from)
  // Registries mount from their own repositories; from anywhere else the blob is just uploaded.
  const isOwn = source !== undefined && !('kind' in source) && source.repository.host === target.repository.host
  const mount = mounted && (isOwn || from === null) ? mounted : undefined
  return { kind: 'uploads', target, digest, mount, from: isOwn ? source.repository : undefined }
}

function tagsRequest(target: Target, query: URLSearchParams): RegistryRequest {
  const n = query.get('n')
  const last = query.get('last')
  if (n !== null && !/^[0-9]{1,9}$/.test(n))
    return problem('PAGINATION_NUMBER_INVALID', `n=${quote(n)} is not a number of tags`)
  if (last !== null && !isTag(last)) return problem('TAG_INVALID', `last=${quote(last)} is not a tag`)
  return {
    kind: 'tags',
    target,
    page: { n: n === null ? undefined : Math.min(Number(n), MAX_TAGS_PAGE), last: last ?? undefined },
  }
}

/** Which repository is meant: by the gate's own host name, by `?ns=`, by the first component, or by default. */
function resolveName(
  name: string,
  query: URLSearchParams,
  hostHeader: string | undefined,
  names: Names,
): Target | Extract<RegistryRequest, { kind: 'problem' }> {
  const spaces = query.getAll('ns')
  if (spaces.length > 1) return problem('NAME_INVALID', 'the parameter ns is repeated')
  const [ns] = spaces
  const slash = name.indexOf('/')
  const first = slash === -1 ? '' : name.slice(0, slash)

  let host: RegistryHost | undefined
  let path = name
  let named: Target['named']
  const ownName = ownNameOf(hostHeader, names)
  if (ns !== undefined) {
    host = parseRegistryHost(ns)
    if (host === undefined) return problem('NAME_INVALID', `ns=${quote(ns)} is not a registry host`)
    if (!names.registries.has(host)) return unknownHost(ns)
    named = 'ns'
  } else if (ownName !== undefined) {
    host = ownName
    named = 'host-name'
  } else {
    const firstHost = parseRegistryHost(first)
    if (firstHost !== undefined && names.registries.has(firstHost)) {
      host = firstHost
      named = 'path'
      path = name.slice(slash + 1)
    } else if (/[.:]/.test(first) || first === 'localhost') {
      // Docker's rule for what is a host: nobody who writes quay.io/x means a repository of the default registry.
      return firstHost === undefined
        ? problem('NAME_INVALID', `${quote(first)} is not a registry host`)
        : unknownHost(first)
    } else {
      host = names.defaultRegistry
      named = 'default'
      if (host === undefined) {
        return problem('UNKNOWN_HOST', `${quote(name)} names no registry, and this gate has no default registry`)
      }
    }
  }
  const repository = repositoryOf(host, path)
  if (repository === undefined) return problem('NAME_INVALID', `${quote(path)} is not a repository name`)
  return { repository, nameAsAsked: name, ns, named }
}

function ownNameOf(hostHeader: string | undefined, { hostNames }: Names): RegistryHost | undefined {
  return hostNames.get((hostHeader ?? '').toLowerCase().replace(/:[0-9]+$/, ''))
}

/** What GET /v2/ is about, which names nothing: the address may say it, or there is only one. */
function hostMeant(query: URLSearchParams, hostHeader: string | undefined, names: Names): RegistryHost | undefined {
  const [ns, second] = query.getAll('ns')
  const byNs = ns === undefined || second !== undefined ? undefined : parseRegistryHost(ns)
  if (byNs !== undefined && names.registries.has(byNs)) return byNs
  const [only, another] = names.registries
  return ownNameOf(hostHeader, names) ?? names.defaultRegistry ?? (another === undefined ? only : undefined)
}

function unknownHost(text: string): Extract<RegistryRequest, { kind: 'problem' }> {
  return problem(
    'UNKNOWN_HOST',
    `blocked by image policy: the registry ${quote(text)} is not one that this gate serves`,
  )
}

function unreadable(path: string): Extract<RegistryRequest, { kind: 'problem' }> {
  if (path === '/v2/_catalog') return problem('NOT_FOUND', 'this gate has no catalog')
  const name = /^\/v2\/(.*)\/(?:manifests|blobs|referrers|tags)\//.exec(path)?.[1]
  if (name !== undefined) return problem('NAME_INVALID', `${quote(name)} is not a repository name`)
  return problem('NOT_FOUND', 'no such route: this gate speaks the pull side of the OCI distribution API')
}

function problem(code: RequestProblem['code'], message: string): Extract<RegistryRequest, { kind: 'problem' }> {
  return { kind: 'problem', problem: { code, message } }
}

/** A client's text in a message: quoted, printable, short (case 150). */
function quote(text: string): string {
  const printable = text.replace(/[^\x20-\x7e]/g, '?')
  return JSON.stringify(printable.length > 80 ? `${printable.slice(0, 80)}…` : printable)
}
