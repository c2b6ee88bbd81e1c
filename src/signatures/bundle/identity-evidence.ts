import type { CertificateIdentity } from '../../policy/sigstore-identity-requirement.ts'
import { checkIdentity } from '../certificate-identity.ts'
import type { RejectionCode } from '../signature.ts'
import { toLibraryMaterial, type Period, type TrustedRoot } from '../trusted-root.ts'
import { OIDS, type Certificate } from '../x509/certificate.ts'
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
 * least one; the log in force at these times; and issued to one of the identities (cases 5, 7, 11, 12).
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
  if (!haveLogsInForce(evidence, trust.trustedRoot, verdict.times)) {
    return { ok: false, code: 'NOT_LOGGED', problem: 'its log was not in force when it signed' }
  }
  // Fulcio names the usage in every certificate; one that names none is good for anything, and not from there (case 24).
  if (leaf.extendedKeyUsage?.includes(OIDS.codeSigning) !== true) {
    return { ok: false, code: 'UNTRUSTED_SIGNER', problem: 'the certificate is not for code signing' }
  }
  for (const at of verdict.times) {
    // What the library leaves out of a chain: extended key usage, unknown critical extensions, CA leaves (section L, d).
    const problem = chainProblem(leaf, trust.trustedRoot, at)
    if (problem !== undefined) return { ok: false, code: 'UNTRUSTED_SIGNER', problem }
  }
  const identity = checkIdentity(leaf, trust.identities)
  if (!identity.ok) return { ok: false, code: 'WRONG_SIGNER', problem: identity.problem }
  return { ok: true, signer: identity.signer, loggedAt: verdict.times[0] }
}

/** The library holds a log's validity against promises only; with a proof alone, the times are the timestamps' (case 12). */
function haveLogsInForce(evidence: Evidence, root: TrustedRoot, times: readonly Date[]): boolean {
  return evidence.logEntries.every(({ logId }) =>
    root.logs.some(({ id, validFor }) => id.equals(logId) && times.every(at => isWithin(at, validFor))),
  )
}

function isWithin(at: Date, { start, end }: Period): boolean {
  return at >= start && (end === undefined || at <= end)
}

/** By an authority that was in force at that time; what it says of the others is not mixed in (cases 8, 25, 26). */
function chainProblem(leaf: Certificate, root: TrustedRoot, at: Date): string | undefined {
  let problem = 'its certificate is not by an authority that was in force when it signed'
  for (const { chain, validFor } of root.certificateAuthorities) {
    if (!isWithin(at, validFor)) continue
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
