/** What a stream may move before everybody else has a turn of the event loop. */
const SHARE_BYTES = 64 * 1024
/** One would be a quarter better for who waits, and half as fast for the blobs (docs/performance.md). */
const BUSY_STREAMS = 2
/** Who has asked for something will soon ask for more: so many turns are some milliseconds. */
const BUSY_TURNS = 64
/** What all streams together may move in a turn, as long as nobody else wants one. */
const TURN_BYTES = 256 * 1024

export type Turn = {
  /** How many bytes may be written at once, now. */
  readonly largest: () => number
  /** What to wait for once this has been written, if anything. */
  readonly after: (piece: Uint8Array) => Promise<void> | undefined
  readonly end: () => void
}

/**
 * Blobs take turns with everybody else. One thread moves them and answers all other requests, and a socket that has more to
 * give is read as long as there is room: ten blobs would be megabytes in one turn of the event loop, and a manifest would wait
 * behind them. While there are other requests, two streams move one share each in a turn.
 */
export class Turns {
  #busyTurns = 0
  #streams = 0
  readonly #waiting: (() => void)[] = []

  /** Somebody has asked for something: for a while a turn is for two streams only. */
  noteRequest(): void {
    this.#busyTurns = BUSY_TURNS
  }

  /** Whether any blob is being moved. */
  get hasStreams(): boolean {
    return this.#streams > 0
  }

  /** A stream that takes turns until its `end`. */
  begin(): Turn {
    this.#streams += 1
    let bytes = 0
    return {
      largest: () => (this.#busyTurns > 0 ? SHARE_BYTES : TURN_BYTES),
      after: ({ byteLength }) => {
        bytes += byteLength
        if (bytes < this.#share()) return undefined
        bytes = 0
        return new Promise(resolve => this.#wait(resolve))
      },
      end: () => {
        this.#streams -= 1
      },
    }
  }

  #share(): number {
    return this.#busyTurns > 0 ? SHARE_BYTES : Math.max(SHARE_BYTES, TURN_BYTES / this.#streams)
  }

  #wait(resolve: () => void): void {
    this.#waiting.push(resolve)
    if (this.#waiting.length === 1) setImmediate(() => this.#turn())
  }

  #turn(): void {
    const count = this.#busyTurns > 0 ? BUSY_STREAMS : this.#waiting.length
    if (this.#busyTurns > 0) this.#busyTurns -= 1
    for (const resolve of this.#waiting.splice(0, count)) resolve()
    if (this.#waiting.length > 0) setImmediate(() => this.#turn())
  }
}
