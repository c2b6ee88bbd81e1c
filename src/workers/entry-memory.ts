import { LRUCache } from 'lru-cache'
import type { Write } from '../shared/redis-connection.ts'

const MAX_ENTRIES = 100_000
const MAX_BYTES = 64 * 1024 * 1024
const ABSENT = new Uint8Array()

/** What the workers of one gate tell each other: bytes under names, for a time. It can read none of them. */
export class EntryMemory {
  readonly #entries: LRUCache<string, Uint8Array> = new LRUCache({
    max: MAX_ENTRIES,
    maxSize: MAX_BYTES,
    sizeCalculation: (value, name) => value.byteLength + name.length,
  })

  /** In the order of the names; empty where there is nothing. */
  read(names: readonly string[]): readonly Uint8Array[] {
    return names.map(name => this.#entries.get(name) ?? ABSENT)
  }

  write(writes: readonly Write[]): void {
    for (const { name, value, ttlMs } of writes) this.#entries.set(name, value, { ttl: ttlMs })
  }
}
