import { matchesText } from '../policy/identity-pattern.ts'
import type { CertificateIdentity } from '../policy/sigstore-identity-requirement.ts'
import { oidcIssuerOf } from './certificate-trust.ts'
import type { AlternativeName, Certificate } from './x509/certificate.ts'

export type IdentityVerdict =
  /** `signer` is for people: `https://github.com/o/r/… (https://token.actions.githubusercontent.com)`. */
  { readonly ok: true; readonly signer: string } | { readonly ok: false; readonly problem: string }

/**
 * Whether a certificate, whose chain was checked, is one of these identities': its OIDC issuer and one of its names of the
 * right type, both of the same identity. Compared here, to the letter, and never by the library, which takes a name for
 * an unanchored regular expression and an absent one for a match (section L, 0 and c; cases 20 to 23).
 */
export function checkIdentity(leaf: Certificate, identities: readonly CertificateIdentity[]): IdentityVerdict {
  const issuer = oidcIssuerOf(leaf)
  if (!issuer.ok) return issuer
  for (const identity of identities) {
    if (!matchesText(identity.issuer, issuer.value)) continue
    const name = leaf.alternativeNames.find(
      ({ type, value }) => type === identity.subject.type && matchesText(identity.subject.matcher, value),
    )
    if (name !== undefined) return { ok: true, signer: `${name.value} (${issuer.value})` }
  }
  const names = leaf.alternativeNames.map(describeName).join(', ')
  return { ok: false, problem: `it is by ${clip(names || 'nobody')} (${clip(issuer.value)}), who is not trusted` }
}

function describeName({ type, value }: AlternativeName): string {
  return type === 'other' ? 'a name of another type' : value
}

function clip(text: string): string {
  return text.length <= 160 ? text : `${text.slice(0, 160)}…`
}
