import type { ImageReference } from '../reference/image-reference.ts'
import { scopesOf } from '../reference/scope.ts'
import type { Policy, Requirements } from './policy.ts'

export type FoundRequirements = {
  /** For people: the scope's key; `docker` for the transport's default (""), `default` for the policy's. */
  readonly scope: string
  readonly requirements: Requirements
}

/**
 * The requirements of the most specific scope that a policy has for an image. The work is one look-up for each component
 * of the name, however many scopes there are. containers-policy.json(5), "default" and "transports".
 */
export function requirementsFor(policy: Policy, reference: ImageReference): FoundRequirements {
  const scopes = policy.transports.get('docker')
  if (scopes !== undefined) {
    for (const scope of scopesOf(reference)) {
      const requirements = scopes.get(scope)
      if (requirements !== undefined) return { scope, requirements }
    }
    const requirements = scopes.get('')
    if (requirements !== undefined) return { scope: 'docker', requirements }
  }
  return { scope: 'default', requirements: policy.default }
}
