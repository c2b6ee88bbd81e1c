import { createHash, type Hash } from 'node:crypto'
import { parentPort } from 'node:worker_threads'
import type { FromHashThread, ToHashThread } from './hash-protocol.ts'

/** The hash thread: hashes what it is sent, of many blobs at once, each under its id. */
const hashes = new Map<number, Hash>()

function answer(message: FromHashThread): void {
  parentPort?.postMessage(message, [])
}

parentPort?.on('message', (message: ToHashThread) => {
  switch (message.type) {
    case 'update': {
      const hash = hashes.get(message.id) ?? createHash(message.algorithm)
      hashes.set(message.id, hash)
      let bytes = 0
      for (const chunk of message.chunks) {
        hash.update(new Uint8Array(chunk))
        bytes += chunk.byteLength
        // Frees the memory now rather than at some collection of garbage: see stream-blob.ts.
        chunk.transfer(0)
      }
      answer({ type: 'hashed', bytes })
      break
    }
    case 'digest':
      answer({ type: 'digest', id: message.id, hex: hashes.get(message.id)?.digest('hex') ?? '' })
      hashes.delete(message.id)
      break
    case 'cancel':
      hashes.delete(message.id)
      break
  }
})
