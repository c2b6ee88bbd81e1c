export type LanesOptions = {
  /** Lanes that move at once. */
  readonly running: number
  /** Pieces of work that may wait, all lanes together. */
  readonly waiting: number
  /** Milliseconds after which what has waited is not worth doing any more. */
  readonly waitMs: number
}

/** done: with its result; dropped: never begun, there was too much or it waited too long. */
export type LaneResult<T> = { readonly outcome: 'done'; readonly value: T } | { readonly outcome: 'dropped' }

type Work = { readonly begun: number; readonly begin: () => Promise<void>; readonly drop: () => void }

/**
 * Work that nobody waits for: in order within a lane, side by side across lanes, and never more than a bounded amount of
 * it. What is too much is dropped, and its caller is told.
 */
export class Lanes {
  readonly #options: LanesOptions
  readonly #queues = new Map<string, Work[]>()
  readonly #idle: string[] = []
  readonly #running = new Set<Promise<void>>()
  #waiting = 0
  #closed = false

  constructor(options: LanesOptions) {
    this.#options = options
  }

  /** Rejects if `work` does. */
  async run<T>(lane: string, work: () => Promise<T>): Promise<LaneResult<T>> {
    if (this.#closed || this.#waiting >= this.#options.waiting) return { outcome: 'dropped' }
    return new Promise((resolve, reject) => {
      const queue = this.#queues.get(lane)
      const entry: Work = {
        begun: performance.now(),
        begin: () => work().then(value => resolve({ outcome: 'done', value }), reject),
        drop: () => resolve({ outcome: 'dropped' }),
      }
      this.#waiting += 1
      if (queue !== undefined) return void queue.push(entry)
      this.#queues.set(lane, [entry])
      this.#idle.push(lane)
      this.#next()
    })
  }

  /** Drops what waits, and resolves when what has begun is over. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all(this.#running)
  }

  #next(): void {
    while (this.#running.size < this.#options.running) {
      const lane = this.#idle.shift()
      if (lane === undefined) return
      const moving = this.#moveOn(lane).finally(() => {
        this.#running.delete(moving)
        this.#next()
      })
      this.#running.add(moving)
    }
  }

  /** One piece of work of a lane, then its turn is another's: a busy lane does not keep the rest waiting. */
  async #moveOn(lane: string): Promise<void> {
    const queue = this.#queues.get(lane) ?? []
    const entry = queue.shift()
    if (entry !== undefined) {
      this.#waiting -= 1
      if (this.#closed || performance.now() - entry.begun > this.#options.waitMs) entry.drop()
      else await entry.begin()
    }
    if (queue.length > 0) this.#idle.push(lane)
    else this.#queues.delete(lane)
  }
}
