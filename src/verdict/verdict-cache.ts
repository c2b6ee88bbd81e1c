import { LRUCache } from 'lru-cache'
import { SingleFlight } from '../cache/single-flight.ts'
import type { Digest } from '../reference/digest.ts'
import { formatReference, type ImageReference } from '../reference/image-reference.ts'
import { repositoryName, type Repository } from '../reference/repository.ts'
import type { Accepted, Decision } from './decision.ts'
import { boundedMs } from './good-until.ts'

export type VerdictCacheOptions = {
  readonly maxEntries: number
  /** Milliseconds an accepted verdict is believed. */
  readonly acceptedMs: number
  /** Milliseconds a refusal is; 0 remembers none. Short, so that a fresh signature works at once. */
  readonly refusedMs: number
}

export type CachedDecision = { readonly decision: Decision; readonly cached: boolean }

/**
 * Remembers decisions under all that they rest on: the snapshot (policy and key bytes), the logical reference as asked,
 * and the digest of the bytes (I3). What could not be decided is not remembered; those who ask meanwhile share the work.
 */
export class VerdictCache {
  readonly #options: VerdictCacheOptions
  readonly #decisions: LRUCache<string, Decision>
  readonly #flights = new SingleFlight<Decision>()

  constructor(options: VerdictCacheOptions) {
    this.#options = options
    this.#decisions = new LRUCache({ max: options.maxEntries })
  }

  /** The remembered decision, if there is one. */
  peek(snapshotId: string, reference: ImageReference, digest: Digest): Decision | undefined {
    return this.#decisions.get(keyOf(snapshotId, reference, digest))
  }

  async get(
    snapshotId: string,
    reference: ImageReference,
    digest: Digest,
    decide: () => Promise<Decision>,
  ): Promise<CachedDecision> {
    const key = keyOf(snapshotId, reference, digest)
    const known = this.#decisions.get(key)
    if (known !== undefined) return { decision: known, cached: true }
    const decision = await this.#flights.run(key, async isCurrent => {
      const made = await decide()
      // What was pushed while it was refused may be what was missing.
      if (made.outcome === 'refused' && !isCurrent()) return made
      this.#remember(key, made, made.outcome === 'accepted' ? this.#options.acceptedMs : this.#options.refusedMs)
      return made
    })
    return { decision, cached: false }
  }

  /** What was refused in a repository is judged anew: something was pushed there. */
  forgetRefusals(repository: Repository): void {
    const name = repositoryName(repository)
    const isMeant = (key: string): boolean => key.includes(` ${name}:`) || key.includes(` ${name}@`)
    for (const [key, { outcome }] of this.#decisions.entries()) {
      if (outcome === 'refused' && isMeant(key)) this.#decisions.delete(key)
    }
    this.#flights.forget(isMeant)
  }

  /** Takes over what another replica has accepted. */
  learn(place: VerdictPlace, accepted: Accepted, ttlMs: number): void {
    const key = keyOf(place.snapshotId, place.reference, place.digest)
    this.#remember(key, accepted, Math.min(ttlMs, this.#options.acceptedMs))
  }

  #remember(key: string, decision: Decision, ms: number): void {
    const ttl = Math.floor(decision.outcome === 'accepted' ? boundedMs(ms, decision.goodUntil) : ms)
    if (ttl > 0) this.#decisions.set(key, decision, { ttl })
  }
}

/** All that a verdict rests on, by name. */
export type VerdictPlace = {
  readonly snapshotId: string
  readonly reference: ImageReference
  readonly digest: Digest
}

function keyOf(snapshotId: string, reference: ImageReference, digest: Digest): string {
  return `${snapshotId} ${formatReference(reference)} ${digest}`
}
