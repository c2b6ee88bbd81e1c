import { createHash } from 'node:crypto'
import type { HashThread, ThreadedHash } from './hash-thread.ts'

/** Up to here a blob is hashed where it is: a round to the thread and back would take longer. */
const SMALL_BYTES = 256 * 1024
/** What is moved to the thread at once: waking it for every chunk costs as much as hashing does. */
const BATCH_BYTES = 512 * 1024

/** The hash of one blob, made in order as its chunks have left. */
export class BlobHash {
  readonly #algorithm: string
  readonly #thread: HashThread
  #threaded: ThreadedHash | undefined
  #batch: ArrayBuffer[] = []
  #batchBytes = 0

  constructor(algorithm: string, thread: HashThread) {
    this.#algorithm = algorithm
    this.#thread = thread
  }

  /** @param bytes all of a buffer of their own; they belong to the hash from here on */
  update(bytes: ArrayBuffer): void {
    this.#batch.push(bytes)
    this.#batchBytes += bytes.byteLength
    if (this.#batchBytes > (this.#threaded === undefined ? SMALL_BYTES : BATCH_BYTES)) this.#flush()
  }

  /** What to wait for before more bytes come, if anything. */
  room(): Promise<void> | undefined {
    return this.#threaded?.room()
  }

  /** @param last what has not left yet; it is read and not taken. @returns hex. @throws HashThreadError */
  async digest(last: readonly Uint8Array[]): Promise<string> {
    if (this.#threaded === undefined) {
      const hash = createHash(this.#algorithm)
      for (const bytes of this.#batch) hash.update(new Uint8Array(bytes))
      for (const bytes of last) hash.update(bytes)
      return hash.digest('hex')
    }
    this.#batch.push(...last.map(bytes => new Uint8Array(bytes).buffer))
    this.#flush()
    return this.#threaded.digest()
  }

  cancel(): void {
    this.#threaded?.cancel()
  }

  #flush(): void {
    this.#threaded ??= this.#thread.open(this.#algorithm)
    const batch = this.#batch
    this.#batch = []
    this.#batchBytes = 0
    this.#threaded.update(batch)
  }
}
