import type { ImageReference } from '../reference/image-reference.ts'
import type { Repository } from '../reference/repository.ts'
import { scopesOf } from '../reference/scope.ts'

export type SignatureRepository = { readonly scope: string; readonly repository: Repository }

/**
 * In which repository the signatures of an image are, beside its own: the most specific scope's, as with the policy. Such a
 * repository is a place to look and no more: what is found there is held to the image's policy and to its digest.
 */
export function signatureRepositories(
  rules: readonly SignatureRepository[],
): (reference: ImageReference) => Repository | undefined {
  const byScope = new Map(rules.map(({ scope, repository }) => [scope, repository]))
  return reference => {
    const scope = byScope.size === 0 ? undefined : scopesOf(reference).find(each => byScope.has(each))
    return scope === undefined ? undefined : byScope.get(scope)
  }
}
