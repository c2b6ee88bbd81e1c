import { decodeBase64 } from '../json/base64.ts'
import { decodeJson, formatProblem, type JsonCursor } from '../json/decode.ts'
import {
  checkSignedPayload,
  decodeSignatureAnnotation,
  type AttachedSignature,
  type Subject,
} from './attached-signature.ts'
import type { UntrustedLogEntry } from './bundle/decode-log-entry.ts'
import { checkIdentityEvidence, type IdentityTrust } from './bundle/identity-evidence.ts'
import { KeyError, trustedKeyOf, verifyWithKey, type TrustedKey } from './public-key.ts'
import { parseRekorSet } from './rekor-set.ts'
import { rejected, type SignatureCheck } from './signature.ts'
import { CertificateError, parseCertificates, type Certificate } from './x509/certificate.ts'

const CERTIFICATE = 'dev.sigstore.cosign/certificate'
const CHAIN = 'dev.sigstore.cosign/chain'
const BUNDLE = 'dev.sigstore.cosign/bundle'
const TIMESTAMP = 'dev.sigstore.cosign/rfc3161timestamp'
/** As in a sigstore bundle. */
const MAX_CHAIN = 10
const TIMESTAMP_LIMITS = { maxBytes: 1024 * 1024, maxDepth: 4 }

/**
 * A keyless signature of cosign 2, from a `.sig` tag, held against a trusted root and identities. Its annotations bring
 * the same evidence as a sigstore bundle (certificate, a signed entry timestamp of Rekor v1, perhaps an RFC 3161
 * timestamp) and are judged by the same rules; what is signed is a simple signing payload, and read as one.
 *
 * A timestamp beside the log entry must hold, and does not stand in for it. The chain annotation is read, and trusted for
 * nothing: the authorities are those of the trusted root.
 */
export function checkAttachedWithIdentity(args: {
  readonly signature: AttachedSignature
  readonly subject: Subject
  readonly trust: IdentityTrust
  readonly now: Date
}): SignatureCheck {
  const { untrustedPayload, untrustedAnnotations } = args.signature
  const leafPem = untrustedAnnotations.get(CERTIFICATE)
  if (leafPem === undefined) return rejected('UNTRUSTED_SIGNER', `the annotation ${CERTIFICATE} is missing`)
  const signed = decodeSignatureAnnotation(args.signature)
  if (!signed.ok) return rejected('MALFORMED', signed.problem)
  const opened = openCertificate(leafPem, untrustedAnnotations.get(CHAIN))
  if (!opened.ok) return rejected('MALFORMED', `its certificate cannot be used: ${opened.problem}`)
  const { leaf, key } = opened
  if (!verifyWithKey(key, untrustedPayload, signed.signature)) {
    return rejected('UNTRUSTED_SIGNER', 'not made with the key of its certificate')
  }
  const untrustedSet = untrustedAnnotations.get(BUNDLE)
  if (untrustedSet === undefined) return rejected('NOT_LOGGED', `the annotation ${BUNDLE} is missing`)
  const entry = logEntryOf(untrustedSet)
  if (!entry.ok) return rejected('NOT_LOGGED', entry.problem)
  const timestamps = timestampsOf(untrustedAnnotations.get(TIMESTAMP))
  if (!timestamps.ok) return rejected('MALFORMED', timestamps.problem)
  const verdict = checkIdentityEvidence({
    leaf,
    evidence: {
      signedBytes: untrustedPayload,
      payload: undefined,
      signature: signed.signature,
      signer: { label: 'CERTIFICATE', der: leaf.der },
      logEntries: [entry.entry],
      timestamps: timestamps.timestamps,
    },
    trust: args.trust,
    now: args.now,
  })
  if (!verdict.ok) return rejected(verdict.code, verdict.problem)
  return checkSignedPayload({
    signedPayload: untrustedPayload,
    subject: args.subject,
    signer: verdict.signer,
    fingerprint: leaf.x509.fingerprint256.replaceAll(':', '').toLowerCase(),
    loggedAt: verdict.loggedAt,
  })
}

type Opened =
  | { readonly ok: true; readonly leaf: Certificate; readonly key: TrustedKey }
  | { readonly ok: false; readonly problem: string }

function openCertificate(untrustedLeaf: string, untrustedChain: string | undefined): Opened {
  try {
    const [leaf, another] = parseCertificates(untrustedLeaf)
    if (another !== undefined) return { ok: false, problem: 'it holds more than one certificate' }
    const chain = untrustedChain === undefined || untrustedChain === '' ? [] : parseCertificates(untrustedChain)
    if (chain.length > MAX_CHAIN) return { ok: false, problem: `its chain has more than ${MAX_CHAIN} certificates` }
    return { ok: true, leaf, key: trustedKeyOf(leaf.x509.publicKey, 'the key of its certificate') }
  } catch (error) {
    if (!(error instanceof CertificateError || error instanceof KeyError)) throw error
    return { ok: false, problem: error.message }
  }
}

/**
 * The annotation does not say of what kind its entry is: cosign writes hashedrekord 0.0.1, and the entry's own text has to
 * say the same (see bindingProblem).
 */
function logEntryOf(
  untrustedSet: string,
): { readonly ok: true; readonly entry: UntrustedLogEntry } | { readonly ok: false; readonly problem: string } {
  const parsed = parseRekorSet(Buffer.from(untrustedSet))
  if (!parsed.ok) return parsed
  const { timestamp, body, integratedTime, logIndex, logId } = parsed.set
  if (integratedTime === 0) return { ok: false, problem: 'its log entry has no time' }
  return {
    ok: true,
    entry: {
      logIndex,
      logId: Buffer.from(logId, 'hex'),
      kind: 'hashedrekord',
      version: '0.0.1',
      integratedTime,
      signedEntryTimestamp: Buffer.from(timestamp),
      inclusionProof: undefined,
      body: Buffer.from(body, 'base64'),
    },
  }
}

/** `{"SignedRFC3161Timestamp": "…"}`, a response in DER; cosign's pkg/cosign/bundle. */
function timestampsOf(
  untrustedText: string | undefined,
): { readonly ok: true; readonly timestamps: readonly Buffer[] } | { readonly ok: false; readonly problem: string } {
  if (untrustedText === undefined || untrustedText === '') return { ok: true, timestamps: [] }
  const decoded = decodeJson(Buffer.from(untrustedText), decodeTimestamp, TIMESTAMP_LIMITS)
  if (decoded.ok) return { ok: true, timestamps: [decoded.value] }
  return { ok: false, problem: `its timestamp cannot be read: ${formatProblem(decoded.problems[0])}` }
}

function decodeTimestamp(root: JsonCursor): Buffer | undefined {
  const field = root.object({ required: ['SignedRFC3161Timestamp'] })?.SignedRFC3161Timestamp
  const text = field?.nonEmptyString()
  if (field === undefined || text === undefined) return undefined
  const der = decodeBase64(text)
  return der === undefined ? field.fail('is not base64') : Buffer.from(der)
}
