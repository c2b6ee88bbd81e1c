import { scopesOf } from '../reference/scope.ts'
import { referenceOf, whyUnmatched } from './policy-scopes.ts'
import type { Requirement, Requirements } from './policy.ts'

/**
 * What is valid and probably not meant: scopes that match nothing, scopes that a pull by another name goes round,
 * requirements that nothing can meet, and that all the rest is open. For the log and for `sealgate policy check`.
 *
 * @param scopes those of the docker transport, canonical
 */
export function warningsOf(byDefault: Requirements, scopes: ReadonlyMap<string, Requirements>): readonly string[] {
  const warnings = [...unmeetable('the default', byDefault), ...openRest(byDefault, scopes)]
  for (const [scope, requirements] of scopes) {
    const name = scope === '' ? 'the scope ""' : `the scope ${scope}`
    const unmatched = whyUnmatched(scope)
    if (unmatched !== undefined) warnings.push(`${name} ${unmatched}`)
    const detour = detourRound(scope, requirements, scopes, byDefault)
    if (detour !== undefined) warnings.push(`${name} ${detour}`)
    warnings.push(...unmeetable(name, requirements))
  }
  return warnings
}

/**
 * A tag and a digest are two names of one image, and the client chooses which it asks for: what is asked of one of them
 * only is no protection (case 93).
 */
function detourRound(
  scope: string,
  requirements: Requirements,
  scopes: ReadonlyMap<string, Requirements>,
  byDefault: Requirements,
): string | undefined {
  const reference = referenceOf(scope)
  if (reference === undefined) return undefined
  const [, ...wider] = scopesOf(reference)
  const next = [...wider, ''].find(name => scopes.has(name))
  const instead = (next === undefined ? undefined : scopes.get(next)) ?? byDefault
  if (strictness(requirements) <= strictness(instead)) return undefined
  const other = reference.by === 'tag' ? 'digest' : 'tag'
  const where = next === undefined ? 'the default' : JSON.stringify(next)
  return `is stricter than ${where}, which holds for its repository: a pull by ${other} goes round it`
}

/** podman's own policy.json is open by default: where a gate is to verify, that is more often forgotten than meant (case 105). */
function openRest(byDefault: Requirements, scopes: ReadonlyMap<string, Requirements>): readonly string[] {
  const rest = scopes.get('')
  if (strictness(rest ?? byDefault) > 0) return []
  const name = rest === undefined ? 'the default' : 'the scope ""'
  return [`${name} accepts anything: images of which no other scope speaks are served without a signature`]
}

function unmeetable(name: string, requirements: Requirements): string[] {
  return requirements.flatMap(requirement => {
    if (requirement.type === 'signedBaseLayer') return [`${name} asks for signedBaseLayer, which no image can meet`]
    if (requirement.type === 'signedBy' && requirement.keyType !== 'GPGKeys') {
      return [`${name} asks for signedBy with the keyType ${requirement.keyType}, which no image can meet: use GPGKeys`]
    }
    return []
  })
}

function strictness(requirements: Requirements): number {
  return Math.max(...requirements.map(rankOf))
}

/** 0: anything passes; 1: a signature is asked for; 2: nothing passes. */
function rankOf({ type }: Requirement): 0 | 1 | 2 {
  switch (type) {
    case 'insecureAcceptAnything':
      return 0
    case 'signedBy':
    case 'sigstoreSigned':
    case 'sealgate.sigstoreIdentity':
      return 1
    case 'reject':
    case 'signedBaseLayer':
      return 2
  }
}
