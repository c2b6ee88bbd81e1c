/** So long nobody is asked again: two that never come to the same policy must not keep each other busy. */
const PAUSE_MS = 1000

/**
 * Keeps workers at one policy. What comes from a key broker or a TUF repository each of them asks for in its own time, so one
 * of them is the first to have what is new: then the others are asked to look as well, and not only when their time is over.
 */
export class Refreshes {
  readonly #ask: (worker: number) => void
  readonly #loaded = new Map<number, string>()
  readonly #pausing = new Map<number, NodeJS.Timeout>()

  /** @param ask tells a worker, by its number, to look for what is newest */
  constructor(ask: (worker: number) => void) {
    this.#ask = ask
  }

  loaded(worker: number, snapshotId: string): void {
    this.#loaded.set(worker, snapshotId)
    for (const [other, id] of this.#loaded) if (id !== snapshotId) this.#refresh(other)
  }

  forget(worker: number): void {
    this.#loaded.delete(worker)
  }

  close(): void {
    for (const timer of this.#pausing.values()) clearTimeout(timer)
    this.#pausing.clear()
  }

  #refresh(worker: number): void {
    if (this.#pausing.has(worker)) return
    this.#ask(worker)
    this.#pausing.set(worker, setTimeout(() => this.#again(worker), PAUSE_MS).unref())
  }

  /** What was loaded meanwhile may have been the older one: whoever differs from all others then is asked once more. */
  #again(worker: number): void {
    this.#pausing.delete(worker)
    const own = this.#loaded.get(worker)
    const others = [...this.#loaded].filter(([other]) => other !== worker).map(([, id]) => id)
    if (own !== undefined && others.length > 0 && !others.includes(own)) this.#ask(worker)
  }
}
