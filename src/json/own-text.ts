/** Shorter slices are copies anyway. */
const COPIED_LENGTH = 13
/** Beyond this the document is not much more than the string. */
const MAX_OWN_LENGTH = 1024

/**
 * The same text with memory of its own. A slice keeps the whole document that it was cut from: a digest that is remembered
 * would keep its manifest, a claim its payload.
 */
export function ownText(text: string): string {
  if (text.length < COPIED_LENGTH || text.length > MAX_OWN_LENGTH) return text
  return Buffer.from(text, 'utf16le').toString('utf16le')
}
