/**
 * Shares one piece of work among all who want its result at the same time: `key` → the promise under way. A failure is
 * shared by those who waited for it and forgotten at once (I9); nothing is kept afterwards.
 */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Promise<T>>()

  get size(): number {
    return this.#flights.size
  }

  async run(key: string, work: () => Promise<T>): Promise<T> {
    const running = this.#flights.get(key)
    if (running !== undefined) return running
    const flight = work().finally(() => this.#flights.delete(key))
    this.#flights.set(key, flight)
    return flight
  }
}
