import { formatDockerReference, formatReference, type ImageReference } from '../reference/image-reference.ts'
import { repositoryName } from '../reference/repository.ts'
import type { CertificateIdentity } from './sigstore-identity-requirement.ts'
import type { MaterialSource, Requirement, SignedIdentity, SigstoreSigner } from './policy.ts'

/** A requirement in a few words, to be read after "needs": `a signature by cosign.pub`. */
export function describeRequirement(requirement: Requirement): string {
  switch (requirement.type) {
    case 'insecureAcceptAnything':
      return 'nothing'
    case 'reject':
      return 'what cannot be met: everything is rejected'
    case 'signedBaseLayer':
      return 'a signed base layer'
    case 'signedBy':
      return `a GPG signature by ${describeMaterial(requirement.keyring)}`
    case 'sigstoreSigned':
      return describeSigner(requirement.signer)
    case 'sealgate.sigstoreIdentity':
      return `a keyless signature by ${requirement.identities.map(describeSubject).join(' or ')}`
  }
}

/** Whom a certificate must be for, without its issuer: the reason of a refusal has little room. */
function describeSubject({ subject: { matcher } }: CertificateIdentity): string {
  return matcher.kind === 'exact' ? matcher.text : matcher.pattern
}

/** The name that a signature has to carry to meet an identity, to be read after "not for": `example.org/test:1`. */
export function describeIdentity(identity: SignedIdentity, asked: ImageReference): string {
  switch (identity.type) {
    case 'matchExact':
    case 'matchRepoDigestOrExact':
    case 'matchRepository':
      return formatReference(asked)
    case 'exactReference':
      return formatDockerReference(identity.reference)
    case 'exactRepository':
      return `the repository ${repositoryName(identity.repository.repository)}`
    case 'remapIdentity':
      return `${formatReference(asked)} with ${identity.prefix} read as ${identity.signedPrefix}`
  }
}

function describeSigner(signer: SigstoreSigner): string {
  switch (signer.by) {
    case 'keys':
      return `a signature by ${describeMaterial(signer.keys)}${signer.rekorKeys === undefined ? '' : ', logged in Rekor'}`
    case 'fulcio':
      return `a signature by ${signer.subjectEmail} (${signer.oidcIssuer})`
    case 'pki':
      return `a signature by a certificate for ${[signer.subjectEmail, signer.subjectHostname].filter(Boolean).join(' and ')}`
  }
}

function describeMaterial(source: MaterialSource): string {
  if (source.from === 'data') return source.field
  return source.places.map(shortName).join(' or ')
}

/** `/run/image-security/cosign/cosign.pub` is called `cosign.pub`; a kbs URI is called by its whole name. */
export function shortName(place: string): string {
  return place.startsWith('kbs:') ? place : place.slice(place.lastIndexOf('/') + 1)
}
