import { parseDigest, type Digest } from './digest.ts'
import { isTag, parseRegistryHost, repositoryName, repositoryOf, type Repository, type Tag } from './repository.ts'

/** What a pull asks for: a repository and a tag, or a repository and a digest; never both, never neither. */
export type ImageReference =
  | { readonly by: 'tag'; readonly repository: Repository; readonly tag: Tag }
  | { readonly by: 'digest'; readonly repository: Repository; readonly digest: Digest }

/** A reference as people and signers write it: any of tag and digest may be there. */
export type DockerReference = {
  readonly repository: Repository
  readonly tag: Tag | undefined
  readonly digest: Digest | undefined
}

/** `example.org/test:1` or `example.org/test@sha256:…` */
export function formatReference(reference: ImageReference): string {
  const name = repositoryName(reference.repository)
  return reference.by === 'tag' ? `${name}:${reference.tag}` : `${name}@${reference.digest}`
}

export function formatDockerReference(reference: DockerReference): string {
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`
  const digest = reference.digest === undefined ? '' : `@${reference.digest}`
  return `${repositoryName(reference.repository)}${tag}${digest}`
}

/**
 * Reads a reference with Docker's normalisation: no host means docker.io, `busybox` means `docker.io/library/busybox`.
 * No tag is added. distribution/reference, ParseNormalizedNamed; host names are folded to lower case (design.md 3).
 *
 * @returns undefined if it is not a valid reference
 */
export function parseDockerReference(text: string): DockerReference | undefined {
  if (/^[0-9a-f]{64}$/.test(text)) return undefined // an image id, refused by ParseNormalizedNamed as well
  const at = text.indexOf('@')
  const digest = at === -1 ? undefined : parseDigest(text.slice(at + 1))
  if (at !== -1 && digest === undefined) return undefined
  const named = at === -1 ? text : text.slice(0, at)

  const { host: hostText, rest } = splitHost(named)
  const host = parseRegistryHost(hostText)
  if (host === undefined) return undefined
  const colon = rest.indexOf(':')
  const tag = colon === -1 ? undefined : rest.slice(colon + 1)
  if (tag !== undefined && !isTag(tag)) return undefined
  const repository = repositoryOf(host, colon === -1 ? rest : rest.slice(0, colon))
  return repository && { repository, tag, digest }
}

/**
 * The image that `text` names on a command line: no tag means `latest`; of tag and digest the digest counts, as it is
 * all that a client sends for such a reference.
 */
export function parseImageReference(text: string): ImageReference | undefined {
  const parsed = parseDockerReference(text)
  if (parsed === undefined) return undefined
  const { repository, tag, digest } = parsed
  if (digest !== undefined) return { by: 'digest', repository, digest }
  const wanted = tag ?? 'latest'
  return isTag(wanted) ? { by: 'tag', repository, tag: wanted } : undefined
}

function splitHost(name: string): { readonly host: string; readonly rest: string } {
  const slash = name.indexOf('/')
  const first = slash === -1 ? '' : name.slice(0, slash)
  // Docker also takes a single word in capitals for a host; folded to lower case it would read as a path of Docker Hub.
  const isHost = /[.:]/.test(first) || first === 'localhost'
  return isHost ? { host: first, rest: name.slice(slash + 1) } : { host: 'docker.io', rest: name }
}
