import { decodeBase64 } from '../../json/base64.ts'
import { decodeJson, formatProblem, type JsonCursor } from '../../json/decode.ts'

/** A DSSE envelope out of a sigstore bundle. Nothing in it has been checked but its form. */
export type UntrustedEnvelope = {
  readonly payloadType: string
  readonly payload: Uint8Array
  readonly signature: Uint8Array
}

export type ParsedEnvelope =
  { readonly ok: true; readonly envelope: UntrustedEnvelope } | { readonly ok: false; readonly problem: string }

const LIMITS = { maxBytes: 1024 * 1024, maxDepth: 32 }
/** sigstore's protobuf-specs; an unknown version may mean another reading of what is inside (case 17). */
const MEDIA_TYPES: ReadonlySet<string> = new Set([
  'application/vnd.dev.sigstore.bundle+json;version=0.1',
  'application/vnd.dev.sigstore.bundle+json;version=0.2',
  'application/vnd.dev.sigstore.bundle+json;version=0.3',
  'application/vnd.dev.sigstore.bundle.v0.3+json',
])

/**
 * Reads the DSSE envelope of a bundle, v0.1 to v0.3. One signature only: with several, what is verified and what is bound
 * could be different ones (case 27).
 */
export function parseEnvelope(untrustedBundle: Uint8Array): ParsedEnvelope {
  const decoded = decodeJson(untrustedBundle, decodeBundle, LIMITS)
  return decoded.ok ? { ok: true, envelope: decoded.value } : { ok: false, problem: formatProblem(decoded.problems[0]) }
}

function decodeBundle(root: JsonCursor): UntrustedEnvelope | undefined {
  const top = root.object({ required: ['mediaType', 'verificationMaterial', 'dsseEnvelope'] })
  if (top === undefined) return undefined
  const mediaType = top.mediaType.string()
  if (mediaType !== undefined && !MEDIA_TYPES.has(mediaType)) {
    return top.mediaType.fail(`${JSON.stringify(mediaType.slice(0, 80))} is not a bundle of version 0.1 to 0.3`)
  }
  const envelope = top.dsseEnvelope.object({ required: ['payload', 'payloadType', 'signatures'] })
  const signatures = envelope?.signatures.items()
  if (envelope === undefined || signatures === undefined) return undefined
  const [first, another] = signatures
  if (first === undefined || another !== undefined) return envelope.signatures.fail('must hold exactly one signature')
  const signature = first.object({ required: ['sig'], optional: ['keyid'] })
  const payloadType = envelope.payloadType.string()
  const payload = decodeBytes(envelope.payload)
  const bytes = signature && decodeBytes(signature.sig)
  if (payloadType === undefined || payload === undefined || bytes === undefined || mediaType === undefined)
    return undefined
  return { payloadType, payload, signature: bytes }
}

function decodeBytes(cursor: JsonCursor): Uint8Array | undefined {
  const text = cursor.nonEmptyString()
  return text === undefined ? undefined : (decodeBase64(text) ?? cursor.fail('is not base64'))
}

/**
 * What a DSSE signature is over: `DSSEv1 <length of type> <type> <length of payload> <payload>`, lengths in bytes (case 69).
 * DSSE protocol, "Pre-Authentication Encoding".
 */
export function preAuthenticationEncoding({ payloadType, payload }: UntrustedEnvelope): Uint8Array {
  const type = Buffer.from(payloadType)
  return Buffer.concat([
    Buffer.from(`DSSEv1 ${type.byteLength} `),
    type,
    Buffer.from(` ${payload.byteLength} `),
    payload,
  ])
}
