import { decodeJson, formatProblem, type ExactObject, type JsonCursor } from '../../json/decode.ts'
import { decodeBytes, given, limitedItems } from './decode-fields.ts'
import { decodeLogEntry, type UntrustedLogEntry } from './decode-log-entry.ts'

/** A sigstore bundle. Nothing in it has been checked but its form and its size. */
export type UntrustedBundle = {
  readonly signer:
    | { readonly by: 'key' }
    /** DER; the signer's first. */
    | { readonly by: 'certificates'; readonly certificates: readonly [Buffer, ...Buffer[]] }
  readonly content: UntrustedContent
  readonly logEntries: readonly UntrustedLogEntry[]
  /** RFC 3161 responses, DER. */
  readonly timestamps: readonly Buffer[]
}

export type UntrustedContent =
  | {
      readonly kind: 'dsse'
      readonly payloadType: string
      readonly payload: Buffer
      readonly signature: Buffer
    }
  | {
      readonly kind: 'message'
      readonly hash: MessageHash
      readonly digest: Buffer
      readonly signature: Buffer
    }

export type MessageHash = 'sha256' | 'sha384' | 'sha512'

export type ParsedBundle =
  { readonly ok: true; readonly bundle: UntrustedBundle } | { readonly ok: false; readonly problem: string }

const LIMITS = { maxBytes: 1024 * 1024, maxDepth: 32 }
const MAX_LOG_ENTRIES = 8
const MAX_TIMESTAMPS = 8
const MAX_CERTIFICATES = 10

/**
 * What each version must bring, by sigstore's protobuf-specs. An unknown version may mean another reading of what is
 * inside, so it is none (case 17).
 */
const VERSIONS: ReadonlyMap<
  string,
  { readonly proof: 'promise' | 'inclusion'; readonly chain: 'allowed' | 'refused' }
> = new Map([
  ['application/vnd.dev.sigstore.bundle+json;version=0.1', { proof: 'promise', chain: 'allowed' }],
  ['application/vnd.dev.sigstore.bundle+json;version=0.2', { proof: 'inclusion', chain: 'allowed' }],
  ['application/vnd.dev.sigstore.bundle+json;version=0.3', { proof: 'inclusion', chain: 'refused' }],
  ['application/vnd.dev.sigstore.bundle.v0.3+json', { proof: 'inclusion', chain: 'refused' }],
])

/**
 * Reads a bundle of version 0.1 to 0.3: one reading of the JSON, no unknown fields, canonical base64, every list bounded
 * before any library sees it (section L, f).
 */
export function parseBundle(untrustedBytes: Uint8Array): ParsedBundle {
  const decoded = decodeJson(untrustedBytes, decodeBundle, LIMITS)
  return decoded.ok ? { ok: true, bundle: decoded.value } : { ok: false, problem: formatProblem(decoded.problems[0]) }
}

function decodeBundle(root: JsonCursor): UntrustedBundle | undefined {
  const before = root.problemCount
  const top = root.object({
    required: ['mediaType', 'verificationMaterial'],
    optional: ['dsseEnvelope', 'messageSignature'],
  })
  const material = top?.verificationMaterial.object({
    required: [],
    optional: ['publicKey', 'x509CertificateChain', 'certificate', 'tlogEntries', 'timestampVerificationData'],
  })
  if (top === undefined || material === undefined) return undefined
  const mediaType = top.mediaType.string()
  const version = VERSIONS.get(mediaType ?? '')
  if (mediaType !== undefined && version === undefined) {
    return top.mediaType.fail(`${JSON.stringify(mediaType.slice(0, 80))} is not a bundle of version 0.1 to 0.3`)
  }
  if (given(material.x509CertificateChain) !== undefined && version?.chain === 'refused') {
    return top.verificationMaterial.fail('a bundle of version 0.3 holds one certificate, never a chain')
  }
  const content = decodeContent(root, given(top.dsseEnvelope), given(top.messageSignature))
  const signer = decodeSigner(top.verificationMaterial, material)
  const logEntries = limitedItems(given(material.tlogEntries), MAX_LOG_ENTRIES, decodeLogEntry)
  const timestamps = decodeTimestamps(given(material.timestampVerificationData))
  if (!content || !signer || !logEntries || !timestamps || root.problemCount > before) return undefined
  // The version is not signed; whatever it says, an entry needs a promise or a proof (see decodeLogEntry).
  const bare = logEntries.some(entry =>
    version?.proof === 'promise' ? entry.signedEntryTimestamp === undefined : entry.inclusionProof === undefined,
  )
  if (bare) {
    const what = version?.proof === 'promise' ? 'signed entry timestamp' : 'inclusion proof'
    return top.verificationMaterial.fail(`a log entry has no ${what}, which this version of bundle needs`)
  }
  return { signer, content, logEntries, timestamps }
}

function decodeContent(
  root: JsonCursor,
  dsse: JsonCursor | undefined,
  message: JsonCursor | undefined,
): UntrustedContent | undefined {
  if (dsse !== undefined && message !== undefined) return root.fail('holds both an envelope and a message signature')
  if (dsse !== undefined) return decodeEnvelope(dsse)
  return message === undefined ? root.fail('holds no signature') : decodeMessageSignature(message)
}

/** One signature only: with several, what is verified and what is logged could be different ones (case 27). */
function decodeEnvelope(cursor: JsonCursor): UntrustedContent | undefined {
  const envelope = cursor.object({ required: ['payload', 'payloadType', 'signatures'] })
  const signatures = envelope?.signatures.items()
  if (envelope === undefined || signatures === undefined) return undefined
  const [first, another] = signatures
  if (first === undefined || another !== undefined) return envelope.signatures.fail('must hold exactly one signature')
  const signature = decodeBytes(first.object({ required: ['sig'], optional: ['keyid'] })?.sig)
  const payload = decodeBytes(envelope.payload)
  const payloadType = envelope.payloadType.string()
  if (!signature || !payload || payloadType === undefined) return undefined
  return { kind: 'dsse', payloadType, payload, signature }
}

const MESSAGE_HASHES: ReadonlyMap<string, { readonly hash: MessageHash; readonly length: number }> = new Map([
  ['SHA2_256', { hash: 'sha256', length: 32 }],
  ['SHA2_384', { hash: 'sha384', length: 48 }],
  ['SHA2_512', { hash: 'sha512', length: 64 }],
])

function decodeMessageSignature(cursor: JsonCursor): UntrustedContent | undefined {
  const message = cursor.object({ required: ['messageDigest', 'signature'] })
  const messageDigest = message?.messageDigest.object({ required: ['algorithm', 'digest'] })
  const algorithm = messageDigest?.algorithm.string()
  const digest = decodeBytes(messageDigest?.digest)
  const signature = decodeBytes(message?.signature)
  if (!messageDigest || algorithm === undefined || !digest || !signature) return undefined
  const known = MESSAGE_HASHES.get(algorithm)
  if (known === undefined) return messageDigest.algorithm.fail('is not SHA2_256, SHA2_384 or SHA2_512')
  // An empty or short digest would be equal to an empty or short one somewhere else (case 72).
  if (digest.byteLength !== known.length) return messageDigest.digest.fail(`is not a digest of ${known.length} bytes`)
  return { kind: 'message', hash: known.hash, digest, signature }
}

function decodeSigner(
  cursor: JsonCursor,
  material: ExactObject<never, 'publicKey' | 'x509CertificateChain' | 'certificate'>,
): UntrustedBundle['signer'] | undefined {
  const key = given(material.publicKey)
  const chain = given(material.x509CertificateChain)
  const single = given(material.certificate)
  if ([key, chain, single].filter(one => one !== undefined).length !== 1) {
    return cursor.fail('must hold exactly one of publicKey, certificate and x509CertificateChain')
  }
  if (key !== undefined) {
    // The hint is for people: keys come from the policy, and it is never looked up (cases 38, 51).
    const hint = given(key.object({ required: [], optional: ['hint'] })?.hint)
    return hint !== undefined && hint.string() === undefined ? undefined : { by: 'key' }
  }
  const list = chain?.object({ required: ['certificates'] })?.certificates
  const ders = single === undefined ? limitedItems(list, MAX_CERTIFICATES, decodeRawBytes) : [decodeRawBytes(single)]
  if (ders === undefined) return undefined
  const [first, ...others] = ders.filter(der => der !== undefined)
  if (first === undefined) return cursor.fail('holds no certificate')
  return { by: 'certificates', certificates: [first, ...others] }
}

function decodeRawBytes(cursor: JsonCursor): Buffer | undefined {
  return decodeBytes(cursor.object({ required: ['rawBytes'] })?.rawBytes)
}

function decodeTimestamps(cursor: JsonCursor | undefined): readonly Buffer[] | undefined {
  if (cursor === undefined) return []
  const list = cursor.object({ required: [], optional: ['rfc3161Timestamps'] })
  if (list === undefined) return undefined
  return limitedItems(given(list.rfc3161Timestamps), MAX_TIMESTAMPS, item =>
    decodeBytes(item.object({ required: ['signedTimestamp'] })?.signedTimestamp),
  )
}
