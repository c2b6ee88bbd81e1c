/** How much may be under way at once: taken and given back, never waited for. */
export class Slots {
  readonly #limit: number
  #taken = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  get taken(): number {
    return this.#taken
  }

  /** Whether there was one to take; if so, it must be released. */
  take(): boolean {
    if (this.#taken >= this.#limit) return false
    this.#taken += 1
    return true
  }

  release(): void {
    this.#taken -= 1
  }
}
