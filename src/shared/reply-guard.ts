/**
 * Watches the bytes that a Redis server sends, before the client's parser has them. The commands of this program are
 * answered by simple strings, errors, numbers and short bulk strings, and by nothing else: arrays (whose nesting a parser
 * follows by recursion), nulls and long strings are a server that is broken or hostile, and the connection's end.
 * Redis serialization protocol, version 2.
 */
export class ReplyGuard {
  readonly #maxBulkBytes: number
  #line = ''
  /** Bytes of a bulk string and its line end that are still to come. */
  #bulk = 0

  constructor(options: { readonly maxBulkBytes: number }) {
    this.#maxBulkBytes = options.maxBulkBytes
  }

  /** Whether the stream is still one that may be read. After a false it never is again. */
  accepts(untrustedChunk: Uint8Array): boolean {
    const chunk = Buffer.from(untrustedChunk.buffer, untrustedChunk.byteOffset, untrustedChunk.byteLength)
    let at = 0
    while (at < chunk.length) {
      if (this.#bulk > 0) {
        const taken = Math.min(this.#bulk, chunk.length - at)
        this.#bulk -= taken
        at += taken
        continue
      }
      const end = chunk.indexOf(0x0a, at)
      const stop = end === -1 ? chunk.length : end + 1
      if (this.#line.length + stop - at > MAX_LINE) return false
      this.#line += chunk.toString('latin1', at, stop)
      at = stop
      if (!PLAIN.test(this.#line) && !BULK.test(this.#line)) return false
      if (end !== -1 && !this.#endLine()) return false
    }
    return true
  }

  #endLine(): boolean {
    const line = this.#line
    this.#line = ''
    if (!line.endsWith('\r\n')) return false
    if (!line.startsWith('$')) return true
    const length = Number(line.slice(1, -2))
    if (line.length < 4 || length > this.#maxBulkBytes) return false
    this.#bulk = length + 2
    return true
  }
}

const MAX_LINE = 1024
const PLAIN = /^[+\-:]/
const BULK = /^\$[0-9]{0,9}(?:\r|\r\n)?$/
