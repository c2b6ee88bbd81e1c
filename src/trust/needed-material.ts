import type { Policy, Requirement } from '../policy/policy.ts'
import type { NeededMaterial } from './snapshot.ts'

/** The trust material that one requirement names. */
export function materialOf(requirement: Requirement): readonly NeededMaterial[] {
  switch (requirement.type) {
    case 'insecureAcceptAnything':
    case 'reject':
    case 'signedBaseLayer':
      return []
    case 'signedBy':
      return [{ kind: 'gpg-keyring', source: requirement.keyring }]
    case 'sealgate.sigstoreIdentity':
      return [{ kind: 'trusted-root', source: requirement.trustedRoot }]
    case 'sigstoreSigned': {
      const { signer } = requirement
      switch (signer.by) {
        case 'keys':
          return [{ kind: 'cosign-key', source: signer.keys }, ...optional('rekor-key', signer.rekorKeys)]
        case 'fulcio':
          return [
            { kind: 'ca', source: signer.ca },
            { kind: 'rekor-key', source: signer.rekorKeys },
          ]
        case 'pki':
          return [{ kind: 'ca', source: signer.caRoots }, ...optional('ca', signer.caIntermediates)]
      }
    }
  }
}

/** Every requirement of a policy, wherever it stands. */
export function* requirementsOf(policy: Policy): Generator<Requirement> {
  yield* policy.default
  for (const scopes of policy.transports.values()) {
    for (const requirements of scopes.values()) yield* requirements
  }
}

function optional(
  kind: NeededMaterial['kind'],
  source: NeededMaterial['source'] | undefined,
): readonly NeededMaterial[] {
  return source === undefined ? [] : [{ kind, source }]
}
