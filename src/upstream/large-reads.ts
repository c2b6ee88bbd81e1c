import type { OnReadOpts, Socket } from 'node:net'
import { buildConnector } from 'undici'

/** What most answers fit in; a connection that is asked for nothing holds this much. */
const SMALL_BYTES = 16 * 1024
/** Node reads 64 KiB at a time, and four times the calls for a blob are a quarter of its speed (docs/performance.md). */
const LARGE_BYTES = 256 * 1024

/**
 * Connects as undici does, over plain TCP, with sockets that are read in pieces of up to 256 KiB. Each chunk that comes of
 * it is all of a buffer of its own, as stream-blob.ts wants them.
 */
export function connectForLargeReads(options: buildConnector.BuildOptions): buildConnector.connector {
  return (target, callback) => {
    let connected: Socket | undefined
    // Nothing is read before the connection is there.
    const onread = readsInto(chunk => connected?.push(chunk) === true)
    const connect = buildConnector({ ...options, onread })
    connect(target, (...[error, socket]) => {
      if (error !== null) return callback(error, null)
      connected = socket
      callback(null, socket)
    })
  }
}

/**
 * A buffer for a socket's reads, which is given up to `push` where a read has filled it, and copied from where it has not.
 * It is large as long as there is much to read.
 *
 * @param push takes one chunk, and says whether there is room for more
 */
export function readsInto(push: (chunk: Uint8Array<ArrayBuffer>) => boolean): OnReadOpts {
  let next = newBuffer(SMALL_BYTES)
  return {
    // Asked for after each read, for the next one.
    buffer: () => next,
    callback(length, buffer) {
      if (length === buffer.byteLength) {
        const filled = next
        next = newBuffer(LARGE_BYTES)
        return push(filled)
      }
      const chunk = newBuffer(length)
      chunk.set(buffer.subarray(0, length))
      if (length < SMALL_BYTES && buffer.byteLength > SMALL_BYTES) next = newBuffer(SMALL_BYTES)
      return push(chunk)
    },
  }
}

/** Not from a pool: whoever has it may move or free its memory. */
function newBuffer(bytes: number): Buffer<ArrayBuffer> {
  return Buffer.allocUnsafeSlow(bytes)
}
