import { parseDigest } from '../reference/digest.ts'
import type { ImageReference } from '../reference/image-reference.ts'
import { isRepositoryPath, isTag, parseRegistryHost, repositoryOf } from '../reference/repository.ts'

/**
 * A scope of the docker transport with its host in the form that references have: lower case, Docker Hub by one name. A
 * request must never get another scope because of how somebody spelt a host (case 95). What cannot be a host otherwise is
 * kept, as containers/image keeps it, and `whyUnmatched` tells why it matches nothing.
 *
 * @returns undefined where the host is not ASCII or ends in a dot: it looks like another host's name (cases 95, 96)
 */
export function canonicalDockerScope(scope: string): string | undefined {
  const { host, rest } = splitScope(scope)
  if (!/^[\x20-\x7e]*$/.test(host) || /\.(?::[0-9]*)?$/.test(host)) return undefined
  // Behind a wildcard an alias of Docker Hub is only a suffix: *.index.docker.io must not become *.docker.io.
  return `${parseRegistryHost(host) ?? host.toLowerCase()}${rest}`
}

/** Why a scope, in its canonical form, matches no image, or not the one that was probably meant. */
export function whyUnmatched(scope: string): string | undefined {
  if (scope === '') return undefined
  const { host, rest } = splitScope(scope)
  if (scope.includes('://')) return 'never matches: a scope begins with the host, without https://'
  if (scope.includes('*')) {
    const isWildcard = rest === '' && host.startsWith('*.') && parseRegistryHost(host.slice(2)) && !host.includes(':')
    return isWildcard ? undefined : 'never matches: a wildcard is *. and a host, without port or path'
  }
  if (parseRegistryHost(host) === undefined) return `never matches: ${JSON.stringify(host)} is no registry's host`
  if (rest === '') return undefined
  if (rest.endsWith('/')) return `never matches: leave out the slash at its end`

  const { path, suffix } = splitPath(rest.slice(1))
  if (!isRepositoryPath(path)) return `never matches: ${JSON.stringify(path)} is no repository's name`
  if (suffix !== '' && referenceOf(scope) === undefined) {
    return `never matches: ${JSON.stringify(suffix)} is neither a tag nor a sha256 or sha512 digest`
  }
  if (host === 'docker.io' && !path.includes('/') && path !== 'library') {
    return suffix === ''
      ? `matches only repositories below it; the image ${path} is docker.io/library/${path}`
      : `never matches: it is docker.io/library/${path}${suffix}`
  }
  if (!/[.:]/.test(host) && host !== 'localhost') {
    return `speaks of a registry called ${host}; an image of Docker Hub is docker.io/${scope}`
  }
  return undefined
}

/** The one image that a canonical scope with a tag or a digest stands for; undefined for any other scope. */
export function referenceOf(scope: string): ImageReference | undefined {
  const { host: hostText, rest } = splitScope(scope)
  const { path, suffix } = splitPath(rest.slice(1))
  if (suffix === '') return undefined
  const host = parseRegistryHost(hostText)
  const repository = host && repositoryOf(host, path)
  if (repository === undefined) return undefined
  const name = suffix.slice(1)
  if (suffix.startsWith(':')) return isTag(name) ? { by: 'tag', repository, tag: name } : undefined
  const digest = parseDigest(name)
  return digest && { by: 'digest', repository, digest }
}

function splitScope(scope: string): { readonly host: string; readonly rest: string } {
  const slash = scope.indexOf('/')
  return slash === -1 ? { host: scope, rest: '' } : { host: scope.slice(0, slash), rest: scope.slice(slash) }
}

/** `a/b:1` → `a/b` and `:1`; `a/b@sha256:…` → `a/b` and `@sha256:…` */
function splitPath(text: string): { readonly path: string; readonly suffix: string } {
  const end = text.search(/[:@]/)
  return end === -1 ? { path: text, suffix: '' } : { path: text.slice(0, end), suffix: text.slice(end) }
}
