import { inflateRawSync, inflateSync } from 'node:zlib'
import { framePackets, PACKET_TAGS, scanPackets, type OpenPgpPacket } from './openpgp-packets.ts'
import { MAX_PAYLOAD_BYTES } from './simple-signing.ts'

export type OpenedGpgMessage =
  /** `untrustedPackets`: exactly one signature and the one literal packet that it is over, framed anew. */
  { readonly ok: true; readonly untrustedPackets: Uint8Array } | { readonly ok: false; readonly problem: string }

/** What a signature and its packet headers may take beside the payload. */
const OVERHEAD_BYTES = 64 * 1024
const MAX_MESSAGE_BYTES = MAX_PAYLOAD_BYTES + OVERHEAD_BYTES
/** Three are right; a few more are read so that the message can say what is wrong. */
const MAX_PACKETS = 16
/** RFC 9580 section 9.4. */
const COMPRESSION = { zip: 1, zlib: 2, bzip2: 3 } as const
/** RFC 9580 section 5.2.1. */
const BINARY_DOCUMENT = 0x00
const ENCRYPTED: ReadonlySet<number> = new Set([
  PACKET_TAGS.publicKeyEncryptedSessionKey,
  PACKET_TAGS.symmetricKeyEncryptedSessionKey,
  PACKET_TAGS.symmetricallyEncryptedData,
  PACKET_TAGS.encryptedAndProtectedData,
  PACKET_TAGS.aeadEncryptedData,
])

/**
 * Opens the outside of a simple signing signature without verifying anything. containers-signature(5) asks for a
 * "Signed Message" of RFC 4880 section 11.3; of those, only the two forms with one signature are taken: one-pass
 * signature, literal, signature, or signature, literal. They may be wrapped once in ZIP or ZLIB, as GnuPG does unless
 * told otherwise. Everything else that OpenPGP allows is refused: cleartext and armor (case 75), several signatures
 * (case 76), encryption, nested compression, bombs, marker and padding packets (case 77), version 3 (case 81).
 */
export function openGpgMessage(untrustedBytes: Uint8Array): OpenedGpgMessage {
  const start = Buffer.from(untrustedBytes.subarray(0, 64)).toString('latin1')
  if (start.startsWith('-----BEGIN PGP SIGNED MESSAGE')) return problem('is a cleartext signature')
  if (start.startsWith('-----BEGIN PGP')) return problem('is in ASCII armor')
  const outer = scanPackets(untrustedBytes, MAX_PACKETS)
  if (outer === undefined || outer.length === 0) return problem('is not an OpenPGP message')
  const [first] = outer
  if (outer.length !== 1 || first?.tag !== PACKET_TAGS.compressedData) return checkPackets(outer)
  const inflated = inflate(first.body)
  if (!inflated.ok) return inflated
  const inner = scanPackets(inflated.bytes, MAX_PACKETS)
  return inner === undefined ? problem('holds no OpenPGP message once decompressed') : checkPackets(inner)
}

type Inflated = { readonly ok: true; readonly bytes: Uint8Array } | { readonly ok: false; readonly problem: string }

function inflate(body: Uint8Array): Inflated {
  const [algorithm] = body
  if (algorithm === COMPRESSION.bzip2) return problem('is compressed with bzip2; ZIP and ZLIB are taken')
  if (algorithm !== COMPRESSION.zip && algorithm !== COMPRESSION.zlib) return problem('is compressed in an unknown way')
  const decompress = algorithm === COMPRESSION.zip ? inflateRawSync : inflateSync
  try {
    return { ok: true, bytes: decompress(body.subarray(1), { maxOutputLength: MAX_MESSAGE_BYTES }) }
  } catch (error) {
    if (error instanceof RangeError) return problem(`has more than ${MAX_MESSAGE_BYTES} bytes once decompressed`)
    if (error instanceof Error && 'errno' in error) return problem('cannot be decompressed')
    throw error
  }
}

function checkPackets(packets: readonly OpenPgpPacket[]): OpenedGpgMessage {
  const tags = packets.map(({ tag }) => tag)
  const signatures = packets.filter(({ tag }) => tag === PACKET_TAGS.signature)
  const [signature] = signatures
  const literal = packets.find(({ tag }) => tag === PACKET_TAGS.literalData)
  const shape = tags.join(' ')
  if (tags.some(tag => ENCRYPTED.has(tag))) return problem('is encrypted')
  if (tags.includes(PACKET_TAGS.compressedData)) return problem('is compressed twice, or in part')
  if (signature === undefined) return problem('is an OpenPGP message without a signature')
  if (signatures.length > 1) return problem(`holds ${signatures.length} signatures; exactly one is taken`)
  const isOnePass = shape === `${PACKET_TAGS.onePassSignature} ${PACKET_TAGS.literalData} ${PACKET_TAGS.signature}`
  if (literal === undefined || (!isOnePass && shape !== `${PACKET_TAGS.signature} ${PACKET_TAGS.literalData}`)) {
    return problem(`is made of OpenPGP packets ${tags.join(', ')}; a signed message is 4, 11, 2 or 2, 11`)
  }
  const [version, type, publicKeyAlgorithm, hashAlgorithm] = signature.body
  if (version !== 4 && version !== 6) return problem(`is an OpenPGP signature of version ${version}; 4 and 6 are taken`)
  if (type !== BINARY_DOCUMENT)
    return problem(`is an OpenPGP signature of type ${type}; only those over bytes are taken`)
  const [, onePassType, onePassHash, onePassPublicKey] = packets[0]?.body ?? []
  const agrees = onePassType === type && onePassHash === hashAlgorithm && onePassPublicKey === publicKeyAlgorithm
  if (isOnePass && !agrees) return problem('announces another signature than it holds')
  // The two forms say the same (RFC 9580 section 10.3); the library reads a signature that comes first without delay.
  return { ok: true, untrustedPackets: framePackets([signature, literal]) }
}

function problem(text: string): { readonly ok: false; readonly problem: string } {
  return { ok: false, problem: text }
}
