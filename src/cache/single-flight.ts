/**
 * Shares one piece of work among all who want its result at the same time: `key` → the promise under way. A failure is
 * shared by those who waited for it and forgotten at once (I9); nothing is kept afterwards.
 */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Promise<T>>()

  get size(): number {
    return this.#flights.size
  }

  /** @param work is told, at any time, whether it is still the flight that newcomers join, or was forgotten meanwhile */
  async run(key: string, work: (isCurrent: () => boolean) => Promise<T>): Promise<T> {
    const running = this.#flights.get(key)
    if (running !== undefined) return running
    const isCurrent = (): boolean => this.#flights.get(key) === flight
    const flight = work(isCurrent).finally(() => {
      if (isCurrent()) this.#flights.delete(key)
    })
    this.#flights.set(key, flight)
    return flight
  }

  /** What is under way rests on what was there before: those who ask from now on do not join it. */
  forget(isMeant: (key: string) => boolean): void {
    for (const key of this.#flights.keys()) if (isMeant(key)) this.#flights.delete(key)
  }
}
