import { formatReference, type ImageReference } from './image-reference.ts'
import { parseDigest } from './digest.ts'
import { isRepositoryPath, isTag, parseRegistryHost, repositoryName } from './repository.ts'

/**
 * The scopes in which a policy may speak of an image, most specific first: the whole reference, the repository, each
 * parent of it up to the host with its port, then `*.` wildcards over the host without its port. The transport's default
 * ("") and the policy's come after these and are not in the list. containers-policy.json(5), "docker:".
 */
export function scopesOf(reference: ImageReference): readonly string[] {
  const scopes = [formatReference(reference)]
  let name = repositoryName(reference.repository)
  for (let slash = name.lastIndexOf('/'); slash !== -1; slash = name.lastIndexOf('/')) {
    scopes.push(name)
    name = name.slice(0, slash)
  }
  scopes.push(name)
  let host = name.replace(/:[0-9]+$/, '')
  for (let dot = host.indexOf('.'); dot !== -1; dot = host.indexOf('.')) {
    host = host.slice(dot + 1)
    scopes.push(`*.${host}`)
  }
  return scopes
}

/**
 * Whether a text can be one of `scopesOf` an image: a host, a repository or the beginning of one, repository:tag,
 * repository@digest, or `*.` before a domain. What cannot would silently be about nothing.
 */
export function isScope(text: string): boolean {
  if (text.startsWith('*.')) return parseRegistryHost(text.slice(2)) === text.slice(2) && !text.includes(':')
  const slash = text.indexOf('/')
  const host = slash === -1 ? text : text.slice(0, slash)
  if (parseRegistryHost(host) !== host) return false
  if (slash === -1) return true
  const [, path = '', tag, digest] = /^([^:@]*)(?::([^:@]*)|@(.*))?$/.exec(text.slice(slash + 1)) ?? []
  const isNamed = (tag === undefined || isTag(tag)) && (digest === undefined || parseDigest(digest) !== undefined)
  return isRepositoryPath(path) && isNamed
}
