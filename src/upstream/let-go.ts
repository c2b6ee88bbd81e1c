import type { Readable } from 'node:stream'

/** Error documents and redirects are shorter; of a longer body it is cheaper to lose the socket. */
const MAX_BYTES = 16 * 1024
const MAX_MS = 1000

/**
 * Lets go of an answer's body that nobody wants. A short one is read to its end, so that its socket can carry the next request:
 * without that every 404 and 401 would cost a new connection, over TLS two or three round trips. One that is long or slow
 * is cut off, socket and all.
 */
export function letGo(body: Readable): void {
  let left = MAX_BYTES
  const timer = setTimeout(() => body.destroy(), MAX_MS).unref()
  body.once('close', () => clearTimeout(timer))
  body.once('end', () => clearTimeout(timer))
  body.on('data', (chunk: Buffer) => {
    left -= chunk.byteLength
    if (left < 0) body.destroy()
  })
}
