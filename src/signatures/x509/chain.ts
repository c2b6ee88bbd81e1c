import { isTakenKey } from '../public-key.ts'
import { OIDS, type Certificate } from './certificate.ts'
import { permitsNames } from './name-constraints.ts'

/** `goodUntil`: when the first certificate of the path that was found ends. */
export type ChainVerdict =
  { readonly ok: true; readonly goodUntil: Date } | { readonly ok: false; readonly problem: string }

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

  /** The path to a root, from the leaf on. */
  const pathToRoot = (certificate: Certificate, path: readonly Certificate[]): readonly Certificate[] | undefined => {
    for (const [candidates, areRoots] of [
      [args.roots, true],
      [args.untrustedIntermediates, false],
    ] as const) {
      for (const issuer of candidates) {
        if (path.includes(issuer) || !mayIssue(issuer, path, at)) continue
        checks += 1
        if (checks > MAX_CHECKS) return undefined
        if (!certificate.x509.checkIssued(issuer.x509) || !certificate.x509.verify(issuer.x509.publicKey)) continue
        if (areRoots) return [...path, issuer]
        const found = path.length < MAX_DEPTH ? pathToRoot(issuer, [...path, issuer]) : undefined
        if (found !== undefined) return found
      }
    }
    return undefined
  }
  const path = pathToRoot(leaf, [leaf])
  if (path !== undefined) {
    return { ok: true, goodUntil: new Date(Math.min(...path.map(({ notAfter }) => notAfter.getTime()))) }
  }
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
