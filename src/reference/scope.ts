import { formatReference, type ImageReference } from './image-reference.ts'
import { repositoryName } from './repository.ts'

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
