/**
 * How many bytes may be held at once, by all who share it: taken and given back, never waited for. What several hold counts
 * once, for it is there once.
 */
export class ByteBudget {
  readonly #limit: number
  readonly #holders = new Map<object, number>()
  #held = 0

  /** @param limit bytes */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Bytes. */
  get held(): number {
    return this.#held
  }

  /** @returns what gives it back, to be called once; undefined if there is no room, whatever else is held */
  hold(thing: object, bytes: number): (() => void) | undefined {
    const holders = this.#holders.get(thing) ?? 0
    if (holders === 0) {
      if (this.#held + bytes > this.#limit) return undefined
      this.#held += bytes
    }
    this.#holders.set(thing, holders + 1)
    return () => this.#release(thing, bytes)
  }

  #release(thing: object, bytes: number): void {
    const holders = (this.#holders.get(thing) ?? 0) - 1
    if (holders > 0) {
      this.#holders.set(thing, holders)
      return
    }
    this.#holders.delete(thing)
    this.#held -= bytes
  }
}
