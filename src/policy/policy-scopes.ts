import { parseRegistryHost } from '../reference/repository.ts'
import type { Requirement, Requirements } from './policy.ts'

/**
 * A scope of the docker transport with its host in the form that references have: lower case, Docker Hub by one name. A
 * request must never get another scope because of how somebody spelt a host (case 95).
 *
 * @returns undefined where the host could never be one
 */
export function canonicalDockerScope(scope: string): string | undefined {
  if (scope === '') return scope
  const slash = scope.indexOf('/')
  const hostAndTag = slash === -1 ? scope : scope.slice(0, slash)
  const rest = slash === -1 ? '' : scope.slice(slash)
  if (hostAndTag.startsWith('*.')) {
    const host = parseRegistryHost(hostAndTag.slice(2))
    return host === undefined ? undefined : `*.${host}${rest}`
  }
  const host = parseRegistryHost(hostAndTag)
  return host === undefined ? undefined : `${host}${rest}`
}

/** Scopes that are valid and can never be meant by a pull, or that a pull by digest goes round. */
export function scopeWarnings(scopes: ReadonlyMap<string, Requirements>): readonly string[] {
  const warnings: string[] = []
  for (const [scope, requirements] of scopes) {
    const wildcard = scope.startsWith('*.')
    if (wildcard && /[:/]/.test(scope)) {
      warnings.push(`the scope ${scope} never matches: a wildcard stands for hosts only, without port or path`)
    } else if (/^docker\.io\/[^/]+$/.test(scope) && scope !== 'docker.io/library') {
      const [, name = ''] = scope.split('/')
      warnings.push(
        `the scope ${scope} matches only repositories below it; the image ${name} is docker.io/library/${name}`,
      )
    }
    const tagged = /^(.+\/[^/:@]+):[^/:@]+$/.exec(scope)
    const repository = tagged?.[1]
    if (repository !== undefined && strictness(requirements) > strictness(governing(scopes, repository))) {
      warnings.push(`the scope ${scope} is stricter than what holds for ${repository}: a pull by digest goes round it`)
    }
    for (const { type } of requirements) {
      if (type === 'signedBaseLayer')
        warnings.push(`the scope ${scope} asks for signedBaseLayer, which no image can meet`)
    }
  }
  return warnings
}

/** What holds for a repository: its own scope's requirements, or those of the nearest parent in the list. */
function governing(scopes: ReadonlyMap<string, Requirements>, repository: string): Requirements | undefined {
  for (let name = repository; ; name = name.slice(0, name.lastIndexOf('/'))) {
    const requirements = scopes.get(name)
    if (requirements !== undefined || !name.includes('/')) return requirements ?? scopes.get('')
  }
}

/** What the policy's default says is not known here: no requirements count as the strictest. */
function strictness(requirements: Requirements | undefined): number {
  return requirements === undefined ? 2 : Math.max(...requirements.map(rankOf))
}

/** 0: anything passes; 1: a signature is asked for; 2: nothing passes. */
function rankOf({ type }: Requirement): 0 | 1 | 2 {
  switch (type) {
    case 'insecureAcceptAnything':
      return 0
    case 'signedBy':
    case 'sigstoreSigned':
      return 1
    case 'reject':
    case 'signedBaseLayer':
      return 2
  }
}
