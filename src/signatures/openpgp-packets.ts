/**
 * The framing of OpenPGP packets, RFC 9580 section 4.2, and nothing of what is in them.
 *
 * openpgp.js drops marker, padding and trust packets while it reads, so a caller cannot see that they were there
 * (case 77). What may stand in a signature is decided on this list instead, and the library then reads the packets as
 * framed again by `framePackets`: there is no second opinion about where a packet ends (case 74).
 */
export type OpenPgpPacket = { readonly tag: number; readonly body: Uint8Array }

export const PACKET_TAGS = {
  publicKeyEncryptedSessionKey: 1,
  signature: 2,
  symmetricKeyEncryptedSessionKey: 3,
  onePassSignature: 4,
  secretKey: 5,
  publicKey: 6,
  secretSubkey: 7,
  compressedData: 8,
  symmetricallyEncryptedData: 9,
  literalData: 11,
  encryptedAndProtectedData: 18,
  aeadEncryptedData: 20,
} as const

/**
 * Cuts bytes into packets, up to the last byte.
 *
 * @param maxPackets more than that many are refused before they take memory
 * @returns undefined if the bytes are not a sequence of whole packets, or of too many
 */
export function scanPackets(bytes: Uint8Array, maxPackets: number): readonly OpenPgpPacket[] | undefined {
  const packets: OpenPgpPacket[] = []
  let at = 0
  while (at < bytes.byteLength) {
    if (packets.length === maxPackets) return undefined
    const read = readPacket(bytes, at)
    if (read === undefined) return undefined
    packets.push(read.packet)
    at = read.end
  }
  return packets
}

/** The same packets, each with a header of the current format and one five-octet length. */
export function framePackets(packets: readonly OpenPgpPacket[]): Uint8Array {
  return Buffer.concat(
    packets.flatMap(({ tag, body }) => {
      const header = Buffer.alloc(6)
      header.writeUInt8(0xc0 | tag, 0)
      header.writeUInt8(0xff, 1)
      header.writeUInt32BE(body.byteLength, 2)
      return [header, body]
    }),
  )
}

type Read = { readonly packet: OpenPgpPacket; readonly end: number }

function readPacket(bytes: Uint8Array, at: number): Read | undefined {
  const header = bytes[at]
  if (header === undefined || (header & 0x80) === 0) return undefined
  return (header & 0x40) === 0 ? readLegacyPacket(bytes, at, header) : readCurrentPacket(bytes, at, header & 0x3f)
}

/** Section 4.2.2: one, two or four octets of length, or "to the end", which GnuPG still writes for compressed data. */
function readLegacyPacket(bytes: Uint8Array, at: number, header: number): Read | undefined {
  const tag = (header >> 2) & 0x0f
  const lengthType = header & 0x03
  if (lengthType === 3) return slice(bytes, tag, at + 1, bytes.byteLength - at - 1)
  const lengthOctets = 1 << lengthType
  const length = readNumber(bytes, at + 1, lengthOctets)
  return length === undefined ? undefined : slice(bytes, tag, at + 1 + lengthOctets, length)
}

/** Section 4.2.1; a body may come in parts, as GnuPG writes it when it does not know the size yet. */
function readCurrentPacket(bytes: Uint8Array, at: number, tag: number): Read | undefined {
  const parts: Uint8Array[] = []
  let next = at + 1
  for (;;) {
    const first = bytes[next]
    if (first === undefined) return undefined
    const isPart = first >= 224 && first < 255
    const lengthOctets = first < 192 || isPart ? 1 : first < 224 ? 2 : 5
    const length = isPart ? 2 ** (first & 0x1f) : readCurrentLength(bytes, next, first)
    if (length === undefined) return undefined
    const part = slice(bytes, tag, next + lengthOctets, length)
    if (part === undefined) return undefined
    // The common case is one part, and then nothing is copied.
    if (!isPart && parts.length === 0) return part
    parts.push(part.packet.body)
    next = part.end
    if (!isPart) return { packet: { tag, body: Buffer.concat(parts) }, end: next }
  }
}

function readCurrentLength(bytes: Uint8Array, at: number, first: number): number | undefined {
  if (first < 192) return first
  if (first === 255) return readNumber(bytes, at + 1, 4)
  const second = bytes[at + 1]
  return second === undefined ? undefined : ((first - 192) << 8) + second + 192
}

function readNumber(bytes: Uint8Array, at: number, octets: number): number | undefined {
  if (at + octets > bytes.byteLength) return undefined
  return bytes.subarray(at, at + octets).reduce((value, octet) => value * 256 + octet, 0)
}

function slice(bytes: Uint8Array, tag: number, start: number, length: number): Read | undefined {
  const end = start + length
  return end > bytes.byteLength ? undefined : { packet: { tag, body: bytes.subarray(start, end) }, end }
}
