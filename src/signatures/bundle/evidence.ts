import type { TransparencyLogEntry } from '@sigstore/bundle'
import { RFC3161Timestamp, X509Certificate as SigstoreCertificate } from '@sigstore/core'
import { VerificationError, Verifier, type SignedEntity, type TrustMaterial } from '@sigstore/verify'
import type { Certificate } from '../x509/certificate.ts'
import { trustedKeyOf, verifyWithKey, type TrustedKey } from '../public-key.ts'
import type { RejectionCode } from '../signature.ts'
import type { UntrustedLogEntry } from './decode-log-entry.ts'
import { bindingProblem, type Logged } from './log-entry-body.ts'

/** One signature with everything that is said to prove who made it, and when. */
export type Evidence = Logged & {
  readonly logEntries: readonly UntrustedLogEntry[]
  /** RFC 3161 responses, DER. */
  readonly timestamps: readonly Buffer[]
}

export type EvidenceVerdict =
  /** Every time that a trusted log or timestamp authority vouches for, the earliest first. May be empty. */
  | { readonly ok: true; readonly times: readonly Date[] }
  | { readonly ok: false; readonly code: RejectionCode; readonly problem: string }

/**
 * Who must have signed. A certificate is held against the authorities and CT logs of the trust material; a key is trusted
 * as it is (by its name in a policy, or because its certificate is checked elsewhere).
 */
export type EvidenceSigner =
  { readonly by: 'key'; readonly key: TrustedKey } | { readonly by: 'certificate'; readonly certificate: Certificate }

const CLOCK_SKEW_MS = 5 * 60 * 1000

/**
 * Checks log entries, timestamps, certificate chain and signature with @sigstore/verify, after what it leaves out: that
 * every entry is about this signature, and that no time is in the future (section L, a and b; cases 3, 4). Entries that a
 * caller did not ask for are checked all the same: one that does not hold makes the whole bundle none.
 *
 * The library is given no identity to check and told so: whose certificate it is, is compared by the caller (case 20).
 *
 * @param material authorities and logs; its key finder is not used
 */
export function checkEvidence(args: {
  readonly evidence: Evidence
  readonly signer: EvidenceSigner
  readonly material: Omit<TrustMaterial, 'publicKey'>
  readonly now: Date
}): EvidenceVerdict {
  const { evidence, signer } = args
  for (const entry of evidence.logEntries) {
    const problem = bindingProblem(entry, evidence)
    if (problem !== undefined) return { ok: false, code: 'NOT_LOGGED', problem }
  }
  try {
    const { entity, times } = toEntity(evidence, signer)
    const latest = args.now.getTime() + CLOCK_SKEW_MS
    if (times.some(time => !(time.getTime() <= latest))) {
      return { ok: false, code: 'NOT_LOGGED', problem: 'it was logged or timestamped in the future' }
    }
    verifierFor(signer, args.material).verify(entity)
    return { ok: true, times: times.toSorted((a, b) => a.getTime() - b.getTime()) }
  } catch (error) {
    // Whatever the library throws at hostile input, a TypeError of its own too, is a refusal (section L, h; cases 26, 31).
    return { ok: false, code: codeOf(error), problem: problemOf(error) }
  }
}

function verifierFor(signer: EvidenceSigner, material: Omit<TrustMaterial, 'publicKey'>): Verifier {
  const publicKey: TrustMaterial['publicKey'] = () => {
    if (signer.by !== 'key') throw new Error('the signer has a certificate')
    return { publicKey: signer.key.key, validFor: () => true }
  }
  const thresholds =
    signer.by === 'key'
      ? { tlogThreshold: 1, timestampThreshold: 0, ctlogThreshold: 0 }
      : { tlogThreshold: 1, timestampThreshold: 1, ctlogThreshold: 1 }
  return new Verifier({ ...material, publicKey }, thresholds)
}

/** The library's own form of a bundle, made from what was parsed and bounded here. May throw on broken DER. */
function toEntity(
  evidence: Evidence,
  signer: EvidenceSigner,
): { readonly entity: SignedEntity; readonly times: readonly Date[] } {
  const tlogEntries = evidence.logEntries.map(toLibraryEntry)
  const timestamps = evidence.timestamps.map(der => RFC3161Timestamp.parse(Buffer.from(der)))
  // An integrated time counts only where the log has signed it (case 5).
  const promised = evidence.logEntries.flatMap((entry, index) => {
    const tlogEntry = tlogEntries[index]
    return entry.signedEntryTimestamp === undefined || entry.integratedTime === undefined || tlogEntry === undefined
      ? []
      : [{ tlogEntry, time: new Date(entry.integratedTime * 1000) }]
  })
  const entity: SignedEntity = {
    signature: signatureContent(evidence),
    key:
      signer.by === 'key'
        ? { $case: 'public-key', hint: '' }
        : { $case: 'certificate', certificate: SigstoreCertificate.parse(Buffer.from(signer.certificate.der)) },
    tlogEntries,
    timestamps: [
      ...promised.map(({ tlogEntry }) => ({ $case: 'transparency-log', tlogEntry }) as const),
      ...timestamps.map(timestamp => ({ $case: 'timestamp-authority', timestamp }) as const),
    ],
  }
  return { entity, times: [...promised.map(({ time }) => time), ...timestamps.map(one => one.signingTime)] }
}

function toLibraryEntry(entry: UntrustedLogEntry): TransparencyLogEntry {
  const { inclusionProof: proof, signedEntryTimestamp } = entry
  return {
    logIndex: String(entry.logIndex),
    logId: { keyId: entry.logId },
    kindVersion: { kind: entry.kind, version: entry.version },
    integratedTime: String(entry.integratedTime ?? 0),
    inclusionPromise: signedEntryTimestamp && { signedEntryTimestamp },
    inclusionProof: proof && {
      logIndex: String(proof.logIndex),
      treeSize: String(proof.treeSize),
      rootHash: proof.rootHash,
      hashes: [...proof.hashes],
      checkpoint: { envelope: proof.checkpoint },
    },
    canonicalizedBody: entry.body,
  }
}

/**
 * The signature itself is verified here, with the hashes that cosign takes for each kind of key; the library knows fewer.
 * What an entry is about was compared before (bindingProblem), so there is nothing left for the library to compare.
 */
function signatureContent({ signature, signedBytes }: Evidence): SignedEntity['signature'] {
  return {
    signature: Buffer.from(signature),
    compareSignature: other => other.equals(signature),
    compareDigest: () => true,
    compareSignedDigest: () => true,
    verifySignature: key => verifyWithKey(trustedKeyOf(key, 'its key'), signedBytes, signature),
  }
}

function codeOf(error: unknown): RejectionCode {
  if (!(error instanceof VerificationError)) return 'MALFORMED'
  switch (error.code) {
    case 'CERTIFICATE_ERROR':
    case 'PUBLIC_KEY_ERROR':
    case 'SIGNATURE_ERROR':
    case 'NOT_IMPLEMENTED_ERROR':
      return 'UNTRUSTED_SIGNER'
    case 'TIMESTAMP_ERROR':
    case 'TLOG_BODY_ERROR':
    case 'TLOG_ERROR':
    case 'TLOG_INCLUSION_PROMISE_ERROR':
    case 'TLOG_INCLUSION_PROOF_ERROR':
    case 'TLOG_MISSING_INCLUSION_ERROR':
      return 'NOT_LOGGED'
  }
}

function problemOf(error: unknown): string {
  if (!(error instanceof Error)) return 'it cannot be checked'
  const cause = error.cause instanceof Error ? ` (${error.cause.message})` : ''
  const text = `${error.message}${cause}`.replace(/[^\x20-\x7e]+/g, ' ').slice(0, 160)
  return error instanceof VerificationError ? text : `it cannot be read: ${text}`
}
