/**
 * What a runtime would do with a layer is decided by its bytes: none looks at the media type (podman 4.3 was seen to unpack a
 * gzipped tar that called itself a signature). It is unpacked if it is a tar, plain or compressed.
 */

const BLOCK = 512
const CHECKSUM = { at: 148, length: 8 } as const
const SPACE = 0x20

/**
 * Whether these bytes are a document of those that signers attach (JSON, XML or SPDX's own text), and nothing that any runtime
 * could unpack: no compression begins like that, and no block of it is the header of a file in a tar. A text can be one: all of a
 * header may be printable.
 */
export function isAttachedDocument(bytes: Uint8Array): boolean {
  return beginsLikeText(bytes) && !bytes.includes(0) && !hasTarHeader(bytes)
}

function beginsLikeText(bytes: Uint8Array): boolean {
  const start = Buffer.from(bytes.subarray(0, 64)).toString('latin1').trimStart()
  return /^(?:[{[<]|SPDX)/.test(start)
}

/** POSIX.1-1988 ustar and older: the sum of a header's bytes, the sum's own field counted as spaces, in octal. */
function hasTarHeader(bytes: Uint8Array): boolean {
  for (let block = 0; block + BLOCK <= bytes.byteLength; block += BLOCK) {
    const field = Buffer.from(bytes.subarray(block + CHECKSUM.at, block + CHECKSUM.at + CHECKSUM.length))
    const stated = /^ *([0-7]+)/.exec(field.toString('latin1'))?.[1]
    if (stated === undefined) continue
    const sums = sumsOf(bytes.subarray(block, block + BLOCK))
    if (sums.includes(Number.parseInt(stated, 8))) return true
  }
  return false
}

/** Some writers took bytes for signed; readers accept both. */
function sumsOf(header: Uint8Array): readonly [number, number] {
  let unsigned = 0
  let signed = 0
  header.forEach((byte, at) => {
    const value = at >= CHECKSUM.at && at < CHECKSUM.at + CHECKSUM.length ? SPACE : byte
    unsigned += value
    signed += value > 0x7f ? value - 0x100 : value
  })
  return [unsigned, signed]
}
