import {
  formatDockerReference,
  formatReference,
  parseDockerReference,
  type DockerReference,
  type ImageReference,
} from '../reference/image-reference.ts'
import { repositoryName, sameRepository, type Repository } from '../reference/repository.ts'
import { describeIdentity } from './format.ts'
import type { SignedIdentity, SignedIdentityDefault } from './policy.ts'

/** What a signer said the image is called. A sigstore bundle says nothing. */
export type Claim = { readonly kind: 'reference'; readonly reference: string } | { readonly kind: 'none' }

export type ClaimVerdict = { readonly accepted: true } | { readonly accepted: false; readonly reason: string }

const ACCEPTED: ClaimVerdict = { accepted: true }

/**
 * Whether what a trusted signer called the image is the image that was asked for, by the policy's signedIdentity.
 *
 * @param identity undefined: the requirement has none, and `reading` decides (design.md section 4)
 */
export function acceptsClaim(args: {
  readonly identity: SignedIdentity | undefined
  readonly reading: SignedIdentityDefault
  readonly reference: ImageReference
  readonly claim: Claim
}): ClaimVerdict {
  const { identity, reading, reference, claim } = args
  if (identity === undefined && reading === 'none') return ACCEPTED
  if (claim.kind === 'none') {
    if (identity === undefined && reading === 'asClaimed') return ACCEPTED
    return refuse(`a sigstore bundle claims no name, so it cannot meet ${identity?.type ?? 'matchRepoDigestOrExact'}`)
  }
  const claimed = parseDockerReference(claim.reference)
  if (claimed === undefined)
    return refuse(`it claims ${JSON.stringify(clip(claim.reference))}, which is no image reference`)
  const wanted = identity ?? readAs(reading, claimed)
  return holds(wanted, reference, claimed)
    ? ACCEPTED
    : refuse(`signed for ${clip(claim.reference)}, not for ${describeIdentity(wanted, reference)}`)
}

/** asClaimed: whatever the signer said is held, so a bare repository is held as one. */
function readAs(reading: SignedIdentityDefault, claimed: DockerReference): SignedIdentity {
  const claimsRepositoryOnly = claimed.tag === undefined && claimed.digest === undefined
  return { type: reading === 'asClaimed' && claimsRepositoryOnly ? 'matchRepository' : 'matchRepoDigestOrExact' }
}

/** containers-policy.json(5), "signedIdentity"; each case is one of the reference's matchers, to the letter. */
function holds(identity: SignedIdentity, asked: ImageReference, claimed: DockerReference): boolean {
  switch (identity.type) {
    case 'matchExact':
      return isExact(asked, claimed)
    case 'matchRepoDigestOrExact':
      return isRepoDigestOrExact(asked, claimed)
    case 'matchRepository':
      return sameRepository(asked.repository, claimed.repository)
    case 'exactReference':
      return formatDockerReference(identity.reference) === formatDockerReference(claimed)
    case 'exactRepository':
      return sameRepository(identity.repository.repository, claimed.repository)
    case 'remapIdentity': {
      const remapped = remap(asked, identity.prefix, identity.signedPrefix)
      return remapped !== undefined && isRepoDigestOrExact(remapped, claimed)
    }
  }
}

function isExact(asked: ImageReference, claimed: DockerReference): boolean {
  return formatReference(asked) === formatDockerReference(claimed)
}

/** A pull by digest is held by its repository, as the digest is compared anyway; a claim without tag or digest never holds. */
function isRepoDigestOrExact(asked: ImageReference, claimed: DockerReference): boolean {
  if (claimed.tag === undefined && claimed.digest === undefined) return false
  return asked.by === 'tag' ? isExact(asked, claimed) : sameRepository(asked.repository, claimed.repository)
}

/** The image under its signed name; itself where the prefix does not match; undefined where the result is no name. */
function remap(asked: ImageReference, prefix: string, signedPrefix: string): ImageReference | undefined {
  const name = repositoryName(asked.repository)
  if (name !== prefix && !name.startsWith(`${prefix}/`)) return asked
  const signedName = `${signedPrefix}${name.slice(prefix.length)}`
  const repository: Repository | undefined = parseDockerReference(signedName)?.repository
  // Only a name in full form: a bare host would otherwise become a repository of Docker Hub.
  if (repository === undefined || repositoryName(repository) !== signedName) return undefined
  return asked.by === 'tag'
    ? { by: 'tag', repository, tag: asked.tag }
    : { by: 'digest', repository, digest: asked.digest }
}

function refuse(reason: string): ClaimVerdict {
  return { accepted: false, reason }
}

function clip(text: string): string {
  return text.length <= 100 ? text : `${text.slice(0, 100)}…`
}
