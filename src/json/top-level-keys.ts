const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN = new Set([0x7b, 0x5b])
const CLOSE = new Set([0x7d, 0x5d])
const COLON = 0x3a
/** A key longer than this is nobody's field name; the rest of it is not kept. */
const MAX_KEY_BYTES = 1024

/**
 * Finds the keys of a JSON document's outermost object while it streams by, holding no more of it than one key. It does
 * not check that the document is well-formed: any reader that takes more than this as JSON is stricter, not laxer.
 */
export class TopLevelKeys {
  #depth = 0
  #inString = false
  #escaped = false
  #text: number[] = []
  /** The last complete string at depth 1, a key if a colon follows. */
  #candidate: string | undefined

  /** @returns the keys that ended in this chunk, with their escapes undone */
  push(chunk: Uint8Array): readonly string[] {
    const keys: string[] = []
    for (const byte of chunk) {
      if (this.#inString) this.#stringByte(byte)
      else if (byte === QUOTE) {
        this.#inString = true
        this.#text = []
      } else if (OPEN.has(byte)) this.#depth += 1
      else if (CLOSE.has(byte)) this.#depth -= 1
      else if (byte === COLON && this.#candidate !== undefined) {
        keys.push(this.#candidate)
        this.#candidate = undefined
      } else if (byte > 0x20) this.#candidate = undefined
    }
    return keys
  }

  #stringByte(byte: number): void {
    if (this.#escaped) this.#escaped = false
    else if (byte === BACKSLASH) this.#escaped = true
    else if (byte === QUOTE) {
      this.#inString = false
      this.#candidate = this.#depth === 1 ? unescape(Buffer.from(this.#text).toString('utf8')) : undefined
      return
    }
    if (this.#depth === 1 && this.#text.length < MAX_KEY_BYTES) this.#text.push(byte)
  }
}

/** `\u006cayers` is `layers` to every JSON reader. */
function unescape(text: string): string {
  return text.replace(/\\u([0-9a-fA-F]{4})|\\(.)/g, (_whole, hex: string | undefined, char: string | undefined) =>
    hex === undefined ? (char ?? '') : String.fromCharCode(Number.parseInt(hex, 16)),
  )
}
