/** Names of registries, repositories and tags, parsed once into branded strings. Nothing here guesses or repairs. */

declare const brand: unique symbol

/** A registry's logical host name, lower case, with its port if it was given: `quay.io`, `localhost:5000`. */
export type RegistryHost = string & { readonly [brand]: 'RegistryHost' }
/** A repository's path inside its registry: `library/busybox`. */
export type RepositoryPath = string & { readonly [brand]: 'RepositoryPath' }
export type Tag = string & { readonly [brand]: 'Tag' }

export type Repository = { readonly host: RegistryHost; readonly path: RepositoryPath }

// ASCII before any URL parser sees it: `new URL` would map full-width digits, dots and 0x7f000001 to other hosts (case 96).
const HOST = /^(?=.{1,255}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*(?::[0-9]{1,5})?$/
// distribution-spec 1.1, "Pulling manifests": the grammar of <name> and of a tag.
const PATH_COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*'
const PATH = new RegExp(`^${PATH_COMPONENT}(?:/${PATH_COMPONENT})*$`)
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/
/** distribution's reference.NameTotalLengthMax: host and path together. */
const MAX_NAME_LENGTH = 255

const DOCKER_HUB = 'docker.io'
const DOCKER_HUB_ALIASES: ReadonlySet<string> = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io'])

/**
 * A registry host as the policy sees it: folded to lower case, Docker Hub's aliases made one.
 *
 * @returns undefined for anything but a DNS name or IPv4 address in ASCII with an optional port
 */
export function parseRegistryHost(text: string): RegistryHost | undefined {
  if (!isAscii(text)) return undefined
  const lower = text.toLowerCase()
  const canonical = DOCKER_HUB_ALIASES.has(lower) ? DOCKER_HUB : lower
  return isRegistryHost(canonical) ? canonical : undefined
}

function isRegistryHost(text: string): text is RegistryHost {
  return HOST.test(text) && Number(/:(\d+)$/.exec(text)?.[1] ?? 1) <= 65535
}

export function isRepositoryPath(text: string): text is RepositoryPath {
  return text.length <= MAX_NAME_LENGTH && PATH.test(text)
}

export function isTag(text: string): text is Tag {
  return TAG.test(text)
}

/**
 * The repository `path` of `host`, with Docker Hub's `library/` put before one-component names.
 *
 * @returns undefined if the path is not one of the distribution spec's, or too long
 */
export function repositoryOf(host: RegistryHost, path: string): Repository | undefined {
  const full = host === DOCKER_HUB && !path.includes('/') ? `library/${path}` : path
  if (!isRepositoryPath(full) || host.length + 1 + full.length > MAX_NAME_LENGTH) return undefined
  return { host, path: full }
}

/** `docker.io/library/busybox`: the name that policies and signed claims are compared with. */
export function repositoryName(repository: Repository): string {
  return `${repository.host}/${repository.path}`
}

export function sameRepository(a: Repository, b: Repository): boolean {
  return a.host === b.host && a.path === b.path
}

function isAscii(text: string): boolean {
  return /^[\x21-\x7e]*$/.test(text)
}
