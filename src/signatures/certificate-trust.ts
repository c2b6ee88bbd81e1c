import { ASN1Obj } from '@sigstore/core'
import { isTakenKey, KeyError, trustedKeyOf, type TrustedKey } from './public-key.ts'
import { TrustMaterialError } from './trust-material-error.ts'
import { CertificateError, parseCertificates, type Certificate } from './x509/certificate.ts'
import { verifyChain } from './x509/chain.ts'
import { isForHost } from './x509/host-name.ts'

/** A CA that issues certificates to people who have shown an OIDC token, and whom of them is trusted. */
export type FulcioTrust = {
  readonly roots: readonly Certificate[]
  readonly oidcIssuer: string
  readonly subjectEmail: string
}

/** A CA of one's own, and whom of those it has certified is trusted. */
export type PkiTrust = {
  readonly roots: readonly Certificate[]
  readonly intermediates: readonly Certificate[]
  readonly subjectEmail: string | undefined
  readonly subjectHostname: string | undefined
}

/** A signer's certificate that was checked: its key, who holds it, and when it or a CA above it ends. */
export type CertifiedSigner =
  | {
      readonly ok: true
      readonly key: TrustedKey
      readonly leaf: Certificate
      readonly signer: string
      readonly goodUntil: Date
    }
  | { readonly ok: false; readonly wrong: 'chain' | 'subject'; readonly problem: string }

/** What a signature brings along. Nothing of it has been checked. */
export type UntrustedCertificates = { readonly leafPem: string; readonly chainPem: string | undefined }

/**
 * The CA certificates in a file or field of a policy. A key that no signature may be made with certifies nobody either,
 * and is told when the policy is loaded rather than at every signature (case 47).
 *
 * @throws TrustMaterialError
 */
export function parseCaCertificates(bytes: Uint8Array, name: string): readonly Certificate[] {
  let certificates: readonly Certificate[]
  try {
    certificates = parseCertificates(Buffer.from(bytes).toString('latin1'))
  } catch (cause) {
    if (!(cause instanceof CertificateError)) throw cause
    throw new TrustMaterialError('MALFORMED', `${name} cannot be used as a CA: ${cause.message}`, { cause })
  }
  if (!certificates.every(({ x509 }) => isTakenKey(x509.publicKey))) {
    throw new TrustMaterialError(
      'WEAK',
      `${name} cannot be used as a CA: it holds a certificate for a key that is not taken`,
    )
  }
  return certificates
}

/**
 * Checks a Fulcio certificate: issued by the CA, valid when the log saw the signature, to exactly this e-mail address, on
 * the word of exactly this OIDC issuer. containers/image's fulcio_cert.go.
 *
 * @param at the time of the log entry; a certificate of minutes is of yesterday whenever it is checked
 */
export function checkFulcioCertificate(
  trust: FulcioTrust,
  untrusted: UntrustedCertificates,
  at: Date,
): CertifiedSigner {
  return checkCertificate(untrusted, { roots: trust.roots, intermediates: [], at }, leaf => {
    const issuer = oidcIssuerOf(leaf)
    if (!issuer.ok) return issuer.problem
    if (issuer.value !== trust.oidcIssuer) return `its OIDC issuer is ${JSON.stringify(issuer.value)}`
    return subjectProblem(leaf, trust.subjectEmail, undefined)
  })
}

/** Checks a certificate of a CA of one's own, as of now. containers/image's pki_cert.go. */
export function checkPkiCertificate(trust: PkiTrust, untrusted: UntrustedCertificates, now: Date): CertifiedSigner {
  const anchors = { roots: trust.roots, intermediates: trust.intermediates, at: now }
  return checkCertificate(untrusted, anchors, leaf => subjectProblem(leaf, trust.subjectEmail, trust.subjectHostname))
}

function checkCertificate(
  untrusted: UntrustedCertificates,
  anchors: {
    readonly roots: readonly Certificate[]
    readonly intermediates: readonly Certificate[]
    readonly at: Date
  },
  subjectIsWrong: (leaf: Certificate) => string | undefined,
): CertifiedSigner {
  let leaf: Certificate
  let key: TrustedKey
  let chain: readonly Certificate[]
  try {
    const [first, another] = parseCertificates(untrusted.leafPem)
    if (another !== undefined) throw new CertificateError('it holds more than one certificate')
    leaf = first
    chain = untrusted.chainPem === undefined ? [] : parseCertificates(untrusted.chainPem)
    key = trustedKeyOf(leaf.x509.publicKey, 'the key of its certificate')
  } catch (error) {
    if (!(error instanceof CertificateError || error instanceof KeyError)) throw error
    return { ok: false, wrong: 'chain', problem: `its certificate cannot be used: ${error.message}` }
  }
  const untrustedIntermediates = [...anchors.intermediates, ...chain]
  const verdict = verifyChain({ leaf, untrustedIntermediates, roots: anchors.roots, at: anchors.at })
  if (!verdict.ok) return { ok: false, wrong: 'chain', problem: verdict.problem }
  const wrong = subjectIsWrong(leaf)
  if (wrong !== undefined) return { ok: false, wrong: 'subject', problem: wrong }
  const signer = leaf.alternativeNames.find(({ type }) => type !== 'other')?.value ?? 'a certificate'
  return { ok: true, key, leaf, signer, goodUntil: verdict.goodUntil }
}

/** Names are compared to the letter, by their type (cases 20, 22). */
function subjectProblem(
  leaf: Certificate,
  email: string | undefined,
  hostname: string | undefined,
): string | undefined {
  if (email === undefined && hostname === undefined) return 'the policy names nobody whom it could be for'
  const names = leaf.alternativeNames
  const has = names.map(({ type, value }) => `${type}:${value}`).join(', ')
  if (email !== undefined && !names.some(name => name.type === 'email' && name.value === email)) {
    return `it is not for ${email}, but for ${has || 'nobody'}`
  }
  if (hostname !== undefined && !isForHost(leaf, hostname)) {
    return `it is not for ${hostname}, but for ${has || 'nobody'}`
  }
  return undefined
}

/** Fulcio's extensions: 1.1 is the bare text, 1.8 (newer) a UTF8String; where both are, they must agree (case 23). */
const ISSUER_V1 = '1.3.6.1.4.1.57264.1.1'
const ISSUER_V2 = '1.3.6.1.4.1.57264.1.8'
const UTF8_STRING = 0x0c

/** The OIDC issuer on whose word a certificate was issued, by Fulcio's extensions. */
export function oidcIssuerOf(
  leaf: Certificate,
): { readonly ok: true; readonly value: string } | { readonly ok: false; readonly problem: string } {
  const v1 = leaf.extensions.get(ISSUER_V1)?.value
  const v2 = leaf.extensions.get(ISSUER_V2)?.value
  const decodedV1 = v1 && decodeText(v1)
  const decodedV2 = v2 && decodeUtf8String(v2)
  if ((v1 && decodedV1 === undefined) || (v2 && decodedV2 === undefined)) {
    return { ok: false, problem: 'its OIDC issuer cannot be read' }
  }
  const value = decodedV2 ?? decodedV1
  if (value === undefined) return { ok: false, problem: 'it names no OIDC issuer' }
  if (decodedV1 !== undefined && decodedV1 !== value) return { ok: false, problem: 'it names two OIDC issuers' }
  return { ok: true, value }
}

function decodeUtf8String(value: Buffer): string | undefined {
  if (value[0] !== UTF8_STRING) return undefined
  try {
    const parsed = ASN1Obj.parseBuffer(Buffer.from(value))
    return parsed.toDER().equals(value) ? decodeText(parsed.value) : undefined
  } catch {
    return undefined // not DER: the same as no readable issuer
  }
}

function decodeText(bytes: Buffer): string | undefined {
  const text = bytes.toString('utf8')
  return Buffer.from(text).equals(bytes) ? text : undefined
}
