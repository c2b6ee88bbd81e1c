import { Worker } from 'node:worker_threads'
import type { FromHashThread, ToHashThread } from './hash-protocol.ts'

export class HashThreadError extends Error {
  override readonly name = 'HashThreadError'
}

/** Bytes on their way to the thread or waiting there, of all blobs together. */
const WINDOW_BYTES = 6 * 1024 * 1024
const WORKER = new URL(`./hash-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)

type Digesting = { readonly resolve: (hex: string) => void; readonly reject: (error: HashThreadError) => void }

/**
 * A thread that hashes blobs while the gate's own moves their bytes. It starts with the first large blob. If it ends, the
 * blobs that it was hashing fail, and the next one starts it anew.
 */
export class HashThread {
  #worker: Worker | undefined
  #generation = 0
  #nextId = 0
  #waitingBytes = 0
  #waiters: (() => void)[] = []
  readonly #digesting = new Map<number, Digesting>()

  /** One blob's hash. */
  open(algorithm: string): ThreadedHash {
    const worker = (this.#worker ??= this.#start())
    const generation = this.#generation
    const id = this.#nextId
    this.#nextId += 1
    const send = (message: ToHashThread, moved: ArrayBuffer[]): void => {
      // A thread that was started since knows nothing of this blob: what it hashed would be a part.
      if (generation !== this.#generation) throw new HashThreadError('the hash thread has ended')
      worker.postMessage(message, moved)
    }
    return {
      update: chunks => {
        // Read before they are moved, and counted after: what an ended thread did not take, nobody would ever count off.
        const bytes = chunks.reduce((sum, { byteLength }) => sum + byteLength, 0)
        send({ type: 'update', id, algorithm, chunks }, [...chunks])
        this.#waitingBytes += bytes
      },
      room: () => (this.#waitingBytes < WINDOW_BYTES ? undefined : new Promise(resolve => this.#waiters.push(resolve))),
      digest: () =>
        new Promise((resolve, reject) => {
          send({ type: 'digest', id }, [])
          this.#digesting.set(id, { resolve, reject })
        }),
      cancel: () => {
        if (generation === this.#generation) send({ type: 'cancel', id }, [])
      },
    }
  }

  async close(): Promise<void> {
    await this.#worker?.terminate()
  }

  #start(): Worker {
    const worker = new Worker(WORKER, { name: 'hash', resourceLimits: { maxYoungGenerationSizeMb: 2 } })
    // It has no work of its own, so it need not keep the process.
    worker.unref()
    worker.on('message', (message: FromHashThread) => {
      if (this.#worker === worker) this.#hear(message)
    })
    worker.once('error', cause => this.#end(worker, cause))
    worker.once('exit', () => this.#end(worker, undefined))
    return worker
  }

  #hear(message: FromHashThread): void {
    switch (message.type) {
      case 'hashed':
        this.#waitingBytes -= message.bytes
        if (this.#waitingBytes < WINDOW_BYTES) this.#wake()
        break
      case 'digest':
        this.#digesting.get(message.id)?.resolve(message.hex)
        this.#digesting.delete(message.id)
        break
    }
  }

  /** Told twice of a thread that failed, the second time when its successor may be at work already. */
  #end(worker: Worker, cause: unknown): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    this.#generation += 1
    this.#waitingBytes = 0
    const error = new HashThreadError('the hash thread has ended', { cause })
    for (const { reject } of this.#digesting.values()) reject(error)
    this.#digesting.clear()
    this.#wake()
  }

  #wake(): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const wake of waiters) wake()
  }
}

export type ThreadedHash = {
  /** Moves the chunks to the thread. @throws HashThreadError */
  readonly update: (chunks: readonly ArrayBuffer[]) => void
  /** What to wait for before more is sent, if anything. */
  readonly room: () => Promise<void> | undefined
  /** @returns hex. @throws HashThreadError */
  readonly digest: () => Promise<string>
  /** The blob has no end: the thread forgets it. */
  readonly cancel: () => void
}
