import { isTakenKey } from '../public-key.ts'
import { OIDS, type Certificate } from './certificate.ts'
import { permitsNames } from './name-constraints.ts'

export type ChainVerdict = { readonly ok: true } | { readonly ok: false; readonly problem: string }

const MAX_DEPTH = 5
/** Signature checks for one leaf, however its untrusted intermediates are cross-signed (case 225). */
const MAX_CHECKS = 50

/** Critical extensions whose meaning is honoured here; any other makes a certificate unusable (case 24). */
const UNDERSTOOD: ReadonlySet<string> = new Set([
  OIDS.keyUsage,
  OIDS.subjectAltName,
  OIDS.basicConstraints,
  OIDS.extendedKeyUsage,
  OIDS.nameConstraints,
  OIDS.subjectKeyIdentifier,
  OIDS.authorityKeyIdentifier,
])

/**
 * Whether a leaf certificate is good for code signing at a time, by a path of CAs to one of the roots: every certificate
 * on the path valid at that time, every issuer a CA with room for the path, no extended key usage on the way that
 * excludes code signing, no names that a CA above is not for, no weak key, no critical extension that is not understood.
 * RFC 5280 section 6; cases 11, 24, 26, 47.
 */
export function verifyChain(args: {
  readonly leaf: Certificate
  readonly untrustedIntermediates: readonly Certificate[]
  readonly roots: readonly Certificate[]
  readonly at: Date
}): ChainVerdict {
  const { leaf, at } = args
  const ownProblem = problemWith(leaf, at)
  if (ownProblem !== undefined) return { ok: false, problem: ownProblem }
  if (leaf.isCa) return { ok: false, problem: 'the certificate is a CA, not a signer' }
  let checks = 0

  const reachesRoot = (certificate: Certificate, path: readonly Certificate[]): boolean => {
    for (const [candidates, areRoots] of [
      [args.roots, true],
      [args.untrustedIntermediates, false],
    ] as const) {
      for (const issuer of candidates) {
        if (path.includes(issuer) || !mayIssue(issuer, path, at)) continue
        checks += 1
        if (checks > MAX_CHECKS) return false
        if (!certificate.x509.checkIssued(issuer.x509) || !certificate.x509.verify(issuer.x509.publicKey)) continue
        if (areRoots) return true
        if (path.length < MAX_DEPTH && reachesRoot(issuer, [...path, issuer])) return true
      }
    }
    return false
  }
  if (reachesRoot(leaf, [leaf])) return { ok: true }
  return { ok: false, problem: 'the certificate is not issued by a trusted CA, or its chain was not valid at the time' }
}

/** @param path from the leaf to the last CA below the issuer */
function mayIssue(issuer: Certificate, path: readonly Certificate[], at: Date): boolean {
  return (
    issuer.isCa &&
    issuer.mayCertSign !== false &&
    (issuer.pathLength === undefined || path.length - 1 <= issuer.pathLength) &&
    problemWith(issuer, at) === undefined &&
    permitsNames(issuer, path) &&
    isTakenKey(issuer.x509.publicKey)
  )
}

function problemWith(certificate: Certificate, at: Date): string | undefined {
  for (const [oid, { critical }] of certificate.extensions) {
    if (critical && !UNDERSTOOD.has(oid))
      return `the certificate has a critical extension that is not understood (${oid})`
  }
  if (at < certificate.notBefore || at > certificate.notAfter) {
    const span = `${certificate.notBefore.toISOString()} to ${certificate.notAfter.toISOString()}`
    return `the certificate was not valid at ${at.toISOString()} (only from ${span})`
  }
  const usages = certificate.extendedKeyUsage
  if (usages !== undefined && !usages.includes(OIDS.codeSigning) && !usages.includes(OIDS.anyExtendedKeyUsage)) {
    return 'the certificate is not for code signing'
  }
  return undefined
}
