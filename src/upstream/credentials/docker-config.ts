import { decodeJson, formatProblem, type JsonCursor } from '../../json/decode.ts'
import { parseRegistryHost } from '../../reference/repository.ts'
import type { Credentials } from './credentials.ts'

/** The part of a docker config.json, or of a containers-auth.json(5), that is about credentials. */
export type DockerConfig = {
  /** By host, or by host and the beginning of a repository's path (containers-auth.json). */
  readonly auths: ReadonlyMap<string, Credentials>
  /** By host: the helper, and the host as the file writes it, which is how the helper knows it. */
  readonly credHelpers: ReadonlyMap<string, { readonly helper: string; readonly server: string }>
  readonly credsStore: string | undefined
}

/** Where credentials of a repository are, in the order in which they are asked for. */
export type CredentialPlace =
  | { readonly kind: 'helper'; readonly helper: string; readonly server: string }
  | { readonly kind: 'file'; readonly credentials: Credentials }

export type ParsedDockerConfig =
  { readonly ok: true; readonly config: DockerConfig } | { readonly ok: false; readonly problems: readonly string[] }

/** What docker calls Docker Hub in credential stores. */
const DOCKER_HUB_SERVER = 'https://index.docker.io/v1/'
const LIMITS = { maxBytes: 1024 * 1024, maxDepth: 16 }
/** Becomes a part of a program's name: no separators, and nothing that a file could point elsewhere with. */
const HELPER = /^[A-Za-z0-9][A-Za-z0-9._-]{0,100}$/

/** Reads what is about credentials; the file's other keys are docker's and are passed over. */
export function parseDockerConfig(bytes: Uint8Array): ParsedDockerConfig {
  const decoded = decodeJson(bytes, decodeConfig, LIMITS)
  if (decoded.ok) return { ok: true, config: decoded.value }
  // What stands there may be a secret, mistyped: where it stands is enough.
  const problems = decoded.problems.map(problem => ({
    ...problem,
    message: problem.message.replace(/, found .*$/, ''),
  }))
  return { ok: false, problems: problems.map(formatProblem) }
}

function decodeConfig(root: JsonCursor): DockerConfig | undefined {
  const before = root.problemCount
  if (root.entries() === undefined) return undefined
  const auths = new Map<string, Credentials>()
  for (const [key, entry] of root.member('auths')?.entries() ?? []) {
    const credentials = decodeEntry(entry)
    const name = nameOf(key)
    // `quay.io` beside `https://quay.io/v1/`: the plain one is what is meant today.
    if (credentials !== undefined && (key === name || !auths.has(name))) auths.set(name, credentials)
  }
  const credHelpers = new Map<string, { readonly helper: string; readonly server: string }>()
  for (const [key, cursor] of root.member('credHelpers')?.entries() ?? []) {
    const helper = decodeHelper(cursor)
    if (helper !== undefined) credHelpers.set(nameOf(key), { helper, server: key })
  }
  const store = root.member('credsStore')
  const credsStore = store === undefined || isEmpty(store) ? undefined : decodeHelper(store)
  return root.problemCount === before ? { auths, credHelpers, credsStore } : undefined
}

/** @returns undefined where there is nothing in it, as docker leaves entries whose secret is in a store, or after a problem */
function decodeEntry(entry: JsonCursor): Credentials | undefined {
  if (entry.entries() === undefined) return undefined
  const text = (key: string): string | undefined => {
    const cursor = entry.member(key)
    return cursor === undefined || isEmpty(cursor) ? undefined : cursor.string()
  }
  const token = text('identitytoken')
  if (token !== undefined) return { kind: 'identity-token', token }
  const auth = text('auth')
  if (auth === undefined) {
    const username = text('username')
    const password = text('password')
    return username === undefined || password === undefined ? undefined : { kind: 'password', username, password }
  }
  const decoded = /^[A-Za-z0-9+/]+={0,2}$/.test(auth) ? Buffer.from(auth, 'base64').toString('utf8') : ''
  const colon = decoded.indexOf(':')
  // The value itself is a secret, and is not repeated in the message.
  if (colon < 1) return entry.member('auth')?.fail('expected the base64 of user:password')
  // As docker does: some tools wrote a C string.
  return { kind: 'password', username: decoded.slice(0, colon), password: decoded.slice(colon + 1).replace(/\0+$/, '') }
}

function decodeHelper(cursor: JsonCursor): string | undefined {
  const helper = cursor.string()
  if (helper === undefined || HELPER.test(helper)) return helper
  return cursor.fail('expected the name of a credential helper: what follows docker-credential- in its program')
}

function isEmpty(cursor: JsonCursor): boolean {
  return cursor.node.kind === 'null' || (cursor.node.kind === 'string' && cursor.node.value === '')
}

/** `https://index.docker.io/v1/` -> `docker.io`; `quay.io/team` stays. What a scheme stands before is a host, whatever follows. */
function nameOf(key: string): string {
  const bare = key.replace(/^https?:\/\//, '')
  const slash = bare.indexOf('/')
  const host = canonicalHost(slash === -1 ? bare : bare.slice(0, slash))
  const path = slash === -1 ? '' : bare.slice(slash + 1).replace(/\/$/, '')
  return bare !== key || path === '' || /^v[12]$/.test(path) ? host : `${host}/${path}`
}

function canonicalHost(host: string): string {
  return parseRegistryHost(host) ?? host.toLowerCase()
}

/**
 * Where the credentials for a repository are: a helper for the host, else the store, else the file with its most specific
 * entry. A store that knows nothing of a host leaves the file's entry.
 *
 * @param host as it is dialled, with its port: that is what somebody logged in to
 * @param path the repository's, as the upstream calls it
 */
export function placesFor(config: DockerConfig, host: string, path: string): readonly CredentialPlace[] {
  const name = canonicalHost(host)
  const places: CredentialPlace[] = []
  const helper = config.credHelpers.get(name)
  if (helper !== undefined) return [{ kind: 'helper', ...helper }]
  if (config.credsStore !== undefined) {
    const server = name === 'docker.io' ? DOCKER_HUB_SERVER : host
    places.push({ kind: 'helper', helper: config.credsStore, server })
  }
  for (let scope = `${name}/${path}`; ; scope = scope.slice(0, scope.lastIndexOf('/'))) {
    const credentials = config.auths.get(scope)
    if (credentials !== undefined) return [...places, { kind: 'file', credentials }]
    if (scope === name || !scope.includes('/')) return places
  }
}
