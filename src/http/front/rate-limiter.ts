import { LRUCache } from 'lru-cache'

export type Rate = {
  /** How many requests a second are let through in the long run. */
  readonly perSecond: number
  /** How many at once, by one who has been quiet. */
  readonly burst: number
}

type Bucket = { readonly tokens: number; readonly at: number }

/** Who comes back after being forgotten begins with a full bucket: a bound on memory, bought with that little. */
const MAX_KEYS = 50_000

/**
 * A token bucket for each key (an address, a user): a full one holds `burst`, and fills at `perSecond`. Memory is bounded
 * whoever asks: the keys longest unheard of are forgotten first.
 */
export class RateLimiter {
  readonly #rate: Rate
  readonly #now: () => number
  readonly #buckets: LRUCache<string, Bucket>

  /** @param now milliseconds that never go back */
  constructor(rate: Rate, now: () => number = () => performance.now(), maxKeys: number = MAX_KEYS) {
    this.#rate = rate
    this.#now = now
    this.#buckets = new LRUCache({ max: maxKeys })
  }

  /**
   * Takes one request's worth.
   *
   * @returns undefined if there was one, else the whole seconds until there is
   */
  take(key: string): number | undefined {
    const { perSecond, burst } = this.#rate
    const now = this.#now()
    const { tokens, at } = this.#buckets.get(key) ?? { tokens: burst, at: now }
    const filled = Math.min(burst, tokens + ((now - at) / 1000) * perSecond)
    if (filled < 1) return Math.max(1, Math.ceil((1 - filled) / perSecond))
    this.#buckets.set(key, { tokens: filled - 1, at: now })
    return undefined
  }
}
