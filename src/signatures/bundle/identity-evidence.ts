import type { CertificateIdentity } from '../../policy/sigstore-identity-requirement.ts'
import { checkIdentity } from '../certificate-identity.ts'
import type { RejectionCode } from '../signature.ts'
import { toLibraryMaterial, type TrustedRoot } from '../trusted-root.ts'
import type { Certificate } from '../x509/certificate.ts'
import { verifyChain } from '../x509/chain.ts'
import { checkEvidence, type Evidence } from './evidence.ts'

/** Whom a `sealgate.sigstoreIdentity` trusts. */
export type IdentityTrust = {
  readonly trustedRoot: TrustedRoot
  readonly identities: readonly [CertificateIdentity, ...CertificateIdentity[]]
}

export type IdentityEvidenceVerdict =
  /** `signer` for people; `loggedAt` the earliest time that was vouched for. */
  | { readonly ok: true; readonly signer: string; readonly loggedAt: Date | undefined }
  | { readonly ok: false; readonly code: RejectionCode; readonly problem: string }

/**
 * What a keyless signature has to prove, however it is attached: the certificate by an authority of the root, in a CT
 * log; the signature in a log, and the certificate valid at every time that a log or timestamp authority vouches for, at
 * least one; and issued to one of the identities (cases 5, 7, 11).
 *
 * @param leaf the certificate that the evidence names as its signer
 */
export function checkIdentityEvidence(args: {
  readonly leaf: Certificate
  readonly evidence: Evidence
  readonly trust: IdentityTrust
  readonly now: Date
}): IdentityEvidenceVerdict {
  const { leaf, evidence, trust, now } = args
  const material = toLibraryMaterial(trust.trustedRoot)
  const verdict = checkEvidence({ evidence, signer: { by: 'certificate', certificate: leaf }, material, now })
  if (!verdict.ok) return verdict
  for (const at of verdict.times) {
    // What the library leaves out of a chain: extended key usage, unknown critical extensions, CA leaves (section L, d).
    const problem = chainProblem(leaf, trust.trustedRoot, at)
    if (problem !== undefined) return { ok: false, code: 'UNTRUSTED_SIGNER', problem }
  }
  const identity = checkIdentity(leaf, trust.identities)
  if (!identity.ok) return { ok: false, code: 'WRONG_SIGNER', problem: identity.problem }
  return { ok: true, signer: identity.signer, loggedAt: verdict.times[0] }
}

/** By an authority that was in force at that time; what it says of the others is not mixed in (cases 8, 25, 26). */
function chainProblem(leaf: Certificate, root: TrustedRoot, at: Date): string | undefined {
  let problem = 'its certificate is not by an authority that was in force when it signed'
  for (const { chain, validFor } of root.certificateAuthorities) {
    if (at < validFor.start || (validFor.end !== undefined && at > validFor.end)) continue
    const verdict = verifyChain({
      leaf,
      untrustedIntermediates: chain.slice(0, -1),
      roots: chain.slice(-1),
      at,
    })
    if (verdict.ok) return undefined
    problem = verdict.problem
  }
  return problem
}
