/**
 * Shares one piece of work among all who want its result at the same time: `key` → the promise under way. A failure is
 * shared by those who waited for it and forgotten at once (I9); nothing is kept afterwards.
 */
export class SingleFlight<T> {
  readonly #flights = new Map<string, { readonly result: Promise<T> }>()

  get size(): number {
    return this.#flights.size
  }

  /** @param work is told, at any time, whether it is still the flight that newcomers join, or was forgotten meanwhile */
  async run(key: string, work: (isCurrent: () => boolean) => Promise<T>): Promise<T> {
    const running = this.#flights.get(key)
    if (running !== undefined) return running.result
    const { promise: result, resolve, reject } = Promise.withResolvers<T>()
    // Whoever flies is told below; where nobody else waits, this is nobody's failure.
    result.catch(() => undefined)
    const flight = { result }
    this.#flights.set(key, flight)
    // The end of a flight is no callback of its own: if that failed, all who come later would wait for what is over (case 31).
    try {
      const landed = await work(() => this.#flights.get(key) === flight)
      resolve(landed)
      return landed
    } catch (error) {
      reject(error)
      throw error
    } finally {
      if (this.#flights.get(key) === flight) this.#flights.delete(key)
    }
  }

  /** What is under way rests on what was there before: those who ask from now on do not join it. */
  forget(isMeant: (key: string) => boolean): void {
    for (const key of this.#flights.keys()) if (isMeant(key)) this.#flights.delete(key)
  }
}
