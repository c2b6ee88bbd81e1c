import { decodeJson, formatProblem, type JsonCursor } from '../json/decode.ts'
import { decodeAnnotations } from '../manifest/descriptor.ts'
import { MEDIA_TYPES } from '../manifest/media-type.ts'
import { decodeBase64 } from '../json/base64.ts'
import { PACKET_TAGS } from './openpgp-packets.ts'
import type { SignatureOrigin, UntrustedSignature } from './signature.ts'

const NEWLINE = 0x0a
const FORMATS = { simpleSigning: 'simple-signing', sigstore: 'sigstore-json' } as const
const GPG_TAGS: ReadonlySet<number> = new Set([
  PACKET_TAGS.signature,
  PACKET_TAGS.onePassSignature,
  PACKET_TAGS.compressedData,
])

/**
 * Reads a signature file as containers/image stores it (in a lookaside, in `dir:` images): a bare OpenPGP message, or a
 * zero byte, the name of a format, a newline and the rest. That is internal/signature of containers/image; what is in
 * either format stays untrusted.
 *
 * @returns of format `unusable` for anything else
 */
export function parseSignatureBlob(untrustedBytes: Uint8Array, origin: SignatureOrigin): UntrustedSignature {
  const [first] = untrustedBytes
  if (first === undefined) return { format: 'unusable', origin, problem: 'is empty' }
  if (first !== 0) {
    if (isGpgMessage(first)) return { format: 'gpg', origin, untrustedBytes }
    return { format: 'unusable', origin, problem: 'is neither an OpenPGP message nor of a named format' }
  }
  const newline = untrustedBytes.indexOf(NEWLINE)
  if (newline === -1) return { format: 'unusable', origin, problem: 'names no format' }
  const format = Buffer.from(untrustedBytes.subarray(1, newline)).toString('latin1')
  const body = untrustedBytes.subarray(newline + 1)
  switch (format) {
    case FORMATS.simpleSigning:
      return { format: 'gpg', origin, untrustedBytes: body }
    case FORMATS.sigstore:
      return parseSigstoreJson(body, origin)
    default:
      return { format: 'unusable', origin, problem: 'is of an unknown format' }
  }
}

/** Whether this is how a signed OpenPGP message begins: a packet header with one of the tags that may come first. */
function isGpgMessage(header: number): boolean {
  if ((header & 0x80) === 0) return false
  return GPG_TAGS.has((header & 0x40) === 0 ? (header >> 2) & 0x0f : header & 0x3f)
}

type SigstoreJson = {
  readonly mimeType: string
  readonly untrustedPayload: Uint8Array
  readonly untrustedAnnotations: ReadonlyMap<string, string>
}

function parseSigstoreJson(body: Uint8Array, origin: SignatureOrigin): UntrustedSignature {
  const decoded = decodeJson(body, decodeSigstoreJson)
  if (!decoded.ok) return { format: 'unusable', origin, problem: formatProblem(decoded.problems[0]) }
  const { mimeType, ...content } = decoded.value
  if (mimeType === MEDIA_TYPES.simpleSigning) return { format: 'simple-signing', origin, ...content }
  return { format: 'unusable', origin, problem: 'holds no simple signing payload' }
}

/** Other keys are let pass: the format is meant to grow, and none of these three can be weakened by one. */
function decodeSigstoreJson(root: JsonCursor): SigstoreJson | undefined {
  const mimeType = (root.member('mimeType') ?? root.fail('has no mimeType'))?.string()
  const payload = root.member('payload') ?? root.fail('has no payload')
  const payloadText = payload?.string()
  const annotations = decodeAnnotations(root.member('annotations'))
  if (payload === undefined || payloadText === undefined) return undefined
  const untrustedPayload = decodeBase64(payloadText)
  if (untrustedPayload === undefined) return payload.fail('is not base64')
  if (mimeType === undefined || annotations === undefined) return undefined
  return { mimeType, untrustedPayload, untrustedAnnotations: annotations }
}
