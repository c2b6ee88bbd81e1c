import type { FoundFact, SharedKey, SharedMemory, ToldFact } from '../verdict/shared-memory.ts'
import { keyBytes, entryName } from './entry-key.ts'
import { MAX_ENTRY_BYTES, openEntry, sealEntry, type EntryKeys } from './entry.ts'
import { decodeFact, encodeFact } from './payload.ts'
import type { RedisConnection, Write } from './redis-connection.ts'
import type { SharedEvent } from './shared-event.ts'

export type SharedEntriesOptions = {
  readonly connection: Pick<RedisConnection, 'epoch' | 'read' | 'write'>
  readonly keys: EntryKeys
  /** What verdicts depend on beyond the snapshot; part of every key. */
  readonly context: readonly string[]
  readonly prefix: string
  readonly timeoutMs: number
  readonly onEvent: (event: SharedEvent) => void
}

/** The shared memory as authenticated entries in Redis. Whatever comes back odd is absent, and counted. */
export function createSharedEntries(options: SharedEntriesOptions): SharedMemory {
  const { connection, keys, context, prefix, onEvent } = options

  function open(
    untrustedValue: Uint8Array | 'wrong-type' | undefined,
    key: SharedKey,
    bytes: Uint8Array,
  ): FoundFact | undefined {
    // GETRANGE of nothing is the empty string.
    if (untrustedValue === undefined || untrustedValue.length === 0) return undefined
    if (untrustedValue === 'wrong-type') {
      onEvent({ type: 'refused', reason: 'wrong-type' })
      return undefined
    }
    const opened = openEntry(untrustedValue, { key: bytes, macKey: keys.mac, now: new Date() })
    if (!opened.ok) {
      onEvent({ type: 'refused', reason: opened.problem })
      return undefined
    }
    const fact = decodeFact(opened.payload, key.kind)
    if (fact !== undefined) return { fact, expiresAt: opened.expiresAt }
    onEvent({ type: 'refused', reason: 'payload' })
    return undefined
  }

  function sealed({ key, fact, ttlMs }: ToldFact): readonly Write[] {
    const now = Date.now()
    const expiresAt = new Date(Math.floor(Math.min(now + ttlMs, fact.goodUntil?.getTime() ?? Infinity)))
    const left = expiresAt.getTime() - now
    if (left < 1) return []
    const bytes = keyBytes(key, context)
    const value = sealEntry({ key: bytes, payload: encodeFact(fact), expiresAt }, keys.mac)
    if (value.byteLength > MAX_ENTRY_BYTES) return []
    return [{ name: entryName(bytes, keys.name, prefix), value, ttlMs: left }]
  }

  async function find(asked: readonly SharedKey[]): Promise<readonly (FoundFact | undefined)[]> {
    const begun = performance.now()
    const named = asked.map(key => ({ key, bytes: keyBytes(key, context) }))
    const answer = await connection.read(named.map(({ bytes }) => entryName(bytes, keys.name, prefix)))
    const found = answer.ok ? named.map(({ key, bytes }, index) => open(answer.values[index], key, bytes)) : []
    const outcome = !answer.ok ? answer.failure : found.some(fact => fact !== undefined) ? 'hit' : 'miss'
    onEvent({ type: 'look', outcome, ms: performance.now() - begun })
    return found
  }

  async function tell(facts: readonly ToldFact[]): Promise<boolean> {
    const begun = performance.now()
    const writes = facts.flatMap(sealed)
    if (writes.length === 0) return true
    const answer = await connection.write(writes)
    onEvent({ type: 'tell', outcome: answer.ok ? 'told' : answer.failure, ms: performance.now() - begun })
    return answer.ok
  }

  /** The pulls' side of it: a fault in here is told, and is then as if nothing had been there. */
  async function guarded<T>(work: Promise<T>, otherwise: T): Promise<T> {
    try {
      return await work
    } catch (error) {
      onEvent({ type: 'fault', error })
      return otherwise
    }
  }

  return {
    epoch: () => connection.epoch,
    timeoutMs: options.timeoutMs,
    find: async asked => guarded(find(asked), []),
    tell: async facts => guarded(tell(facts), false),
  }
}
