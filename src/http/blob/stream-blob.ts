import type { ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { algorithmOf, hexOf, type Digest } from '../../reference/digest.ts'
import { BlobDigestError } from './blob-error.ts'
import { BlobHash } from './blob-hash.ts'
import type { HashThread } from './hash-thread.ts'
import { ManifestScreen } from './manifest-screen.ts'
import type { Turn, Turns } from './turns.ts'

export type BlobStream = {
  /** Each of its chunks is its reader's alone. */
  readonly body: Readable
  readonly response: ServerResponse
  /** Called before the first byte leaves: until then an error can still be answered. */
  readonly begin: () => void
  readonly turns: Turns
}

/** Two writes under way keep the socket busy; more would only be memory. */
const WRITES_UNDER_WAY = 2

/**
 * Sends a whole blob as the client takes it. Two things end it with an error before its last bytes have left, so that what
 * the client holds is never whole: the blob is a manifest or an index (case 123), or its bytes do not have the digest that
 * was asked for (case 125).
 *
 * @throws ManifestInBlobError, BlobDigestError, HashThreadError, and what the body or the response failed with
 */
export async function streamWholeBlob(stream: BlobStream, digest: Digest, thread: HashThread): Promise<void> {
  const screen = new ManifestScreen()
  const hash = new BlobHash(algorithmOf(digest), thread)
  const turn = stream.turns.begin()
  const writes = new Writes(stream, turn)
  try {
    for await (const chunk of stream.body) {
      for (const ready of screen.push(ownBytes(chunk))) await writes.write(ready, bytes => hash.update(bytes))
      await hash.room()
    }
    await writes.settled()
    const rest = screen.rest()
    const actual = await hash.digest(rest)
    if (actual !== hexOf(digest)) throw new BlobDigestError(digest, `${algorithmOf(digest)}:${actual}`)
    for (const ready of rest) await writes.write(ready, free)
    await writes.end()
  } catch (error) {
    hash.cancel()
    throw error
  } finally {
    turn.end()
  }
}

/**
 * Sends a part of a blob, which nobody but the client can check once it has the whole. Its beginning is no manifest.
 *
 * @throws ManifestInBlobError, and what the body or the response failed with
 */
export async function streamPartOfBlob(
  stream: BlobStream,
  { isBeginning }: { readonly isBeginning: boolean },
): Promise<void> {
  const screen = isBeginning ? new ManifestScreen() : undefined
  const turn = stream.turns.begin()
  const writes = new Writes(stream, turn)
  try {
    for await (const chunk of stream.body) {
      const bytes = ownBytes(chunk)
      for (const ready of screen?.push(bytes) ?? [bytes]) await writes.write(ready, free)
    }
    for (const ready of screen?.rest() ?? []) await writes.write(ready, free)
    await writes.end()
  } finally {
    turn.end()
  }
}

/** What a client is sent, chunk by chunk and in turns; each chunk is handed on once the socket has taken all of it. */
class Writes {
  readonly #stream: BlobStream
  readonly #turn: Turn
  readonly #underWay: Promise<void>[] = []
  #begun = false
  #failure: Error | undefined

  constructor(stream: BlobStream, turn: Turn) {
    this.#stream = stream
    this.#turn = turn
  }

  /** Waits until there is room for the next. @throws what the socket failed with */
  async write(chunk: Uint8Array<ArrayBuffer>, taken: (buffer: ArrayBuffer) => void): Promise<void> {
    for (let start = 0; start < chunk.byteLength;) {
      const piece = chunk.subarray(start, start + this.#turn.largest())
      start += piece.byteLength
      // A socket takes its pieces in order: with the last of them it has taken all.
      const isLast = start === chunk.byteLength
      await this.#writePiece(piece, isLast ? () => this.#take(chunk.buffer, taken) : () => {})
      await this.#turn.after(piece)
    }
  }

  async #writePiece(piece: Uint8Array, onTaken: () => void): Promise<void> {
    if (!this.#begun) this.#stream.begin()
    this.#begun = true
    const { response } = this.#stream
    const written = new Promise<void>(resolve => {
      response.write(piece, error => {
        if (error) this.#failure ??= error
        else onTaken()
        resolve()
      })
    })
    this.#underWay.push(written)
    if (this.#underWay.length >= WRITES_UNDER_WAY) await this.#underWay.shift()
    if (this.#failure !== undefined) throw this.#failure
  }

  /** @throws what the socket failed with */
  async settled(): Promise<void> {
    await Promise.all(this.#underWay.splice(0))
    if (this.#failure !== undefined) throw this.#failure
  }

  async end(): Promise<void> {
    await this.settled()
    if (!this.#begun) this.#stream.begin()
    this.#stream.response.end()
  }

  /** A throw in a socket's callback would be nobody's: it is kept for whoever writes next. */
  #take(buffer: ArrayBuffer, taken: (buffer: ArrayBuffer) => void): void {
    try {
      taken(buffer)
    } catch (error) {
      this.#failure ??= error instanceof Error ? error : new Error(String(error))
    }
  }
}

function free(buffer: ArrayBuffer): void {
  buffer.transfer(0)
}

/**
 * A chunk that nothing else has a view of, so that its memory can be moved or freed as soon as it has left. Left to the
 * collection of garbage, a blob's chunks pile up to hundreds of MiB, and each new one is memory that no cache has seen.
 */
function ownBytes(chunk: Buffer): Uint8Array<ArrayBuffer> {
  const { buffer } = chunk
  if (buffer instanceof ArrayBuffer && buffer.byteLength === chunk.byteLength) return new Uint8Array(buffer)
  return new Uint8Array(chunk)
}
