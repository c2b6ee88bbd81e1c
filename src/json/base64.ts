// No group is repeated: each round of one would take stack, and a few megabytes would overflow it.
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/

/**
 * Decodes base64 as Go's StdEncoding does in strict mode: standard alphabet, padded, canonical. `Buffer.from` would take
 * the URL alphabet, junk and missing padding for the same bytes, and two texts would name one signature (case 41).
 *
 * @returns undefined for anything else; the empty text is no bytes
 */
export function decodeBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0 || !BASE64.test(text)) return undefined
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : undefined
}
