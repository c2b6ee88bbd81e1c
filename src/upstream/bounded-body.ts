import type { Readable } from 'node:stream'
import { UpstreamError } from './upstream-error.ts'

/**
 * Reads a body of at most `maxBytes`, whatever its Content-Length says (case 220). The rest is not read.
 *
 * @throws UpstreamError TOO_LARGE
 */
export async function readBounded(body: Readable, maxBytes: number, what: string): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of body) {
      const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk)
      length += bytes.byteLength
      if (length > maxBytes) throw new UpstreamError('TOO_LARGE', `${what} has more than ${maxBytes} bytes`)
      chunks.push(bytes)
    }
  } finally {
    body.destroy()
  }
  // Memory of its own: a manifest that is kept would keep the whole slab that Buffer.concat cuts small buffers from.
  const whole = new Uint8Array(length)
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.byteLength
  }
  return whole
}
