import { LRUCache } from 'lru-cache'
import type { Digest } from '../reference/digest.ts'
import { repositoryName, type Repository } from '../reference/repository.ts'
import type { AcceptedVia } from './decision.ts'
import { boundedMs } from './good-until.ts'

export type AdmittedDigestsOptions = {
  readonly maxEntries: number
  /** Milliseconds. */
  readonly ttlMs: number
}

/** What the other verdict rested on: whose signatures, and when something of it ends. */
export type Grounds = { readonly signers: readonly string[]; readonly goodUntil: Date | undefined }

export type Admission = Grounds & {
  readonly via: AcceptedVia
  /** How many indexes lie between what was accepted and this digest. */
  readonly depth: number
}

/**
 * Digests that are admitted because of another verdict: the children of an accepted index, and what a tag was said to
 * be. Bound to the snapshot, the repository and the digest, so that neither a new policy nor another repository
 * inherits anything (cases 115, 116).
 */
export class AdmittedDigests {
  readonly #admissions: LRUCache<string, Admission>
  readonly #ttlMs: number

  constructor(options: AdmittedDigestsOptions) {
    this.#ttlMs = options.ttlMs
    this.#admissions = new LRUCache({ max: options.maxEntries })
  }

  /** Admits the children of an index that was accepted. */
  admitChildren(
    snapshotId: string,
    repository: Repository,
    index: { readonly digest: Digest; readonly children: readonly Digest[]; readonly depth: number },
    { signers, goodUntil }: Grounds,
  ): void {
    const depth = index.depth + 1
    for (const child of index.children) {
      const key = keyOf(snapshotId, repository, child, '')
      const known = this.#admissions.get(key)
      if (known !== undefined && known.depth < depth) continue
      this.#set(key, { via: { by: 'index', index: index.digest }, signers, depth, goodUntil }, this.#ttlMs)
    }
  }

  /**
   * Admits what an accepted tag points at, for one client: docker, containerd and BuildKit ask for a tag by HEAD and then
   * fetch the digest they were told, and under a scope or claim for that tag the digest alone would be refused.
   */
  admitTag(
    snapshotId: string,
    repository: Repository,
    announced: { readonly tag: string; readonly digest: Digest } & Grounds,
    client: string,
  ): void {
    const { tag, digest, signers, goodUntil } = announced
    const admission = { via: { by: 'tag', tag }, signers, depth: 0, goodUntil } as const
    this.#set(keyOf(snapshotId, repository, digest, client), admission, this.#ttlMs)
  }

  /** Takes over what another replica has admitted; for the client '', everybody. A shorter way down is not forgotten for it. */
  learn(place: AdmissionPlace, admission: Admission, ttlMs: number): void {
    const key = keyOf(place.snapshotId, place.repository, place.digest, place.client)
    const known = this.#admissions.get(key)
    if (known !== undefined && known.depth <= admission.depth) return
    this.#set(key, admission, Math.min(ttlMs, this.#ttlMs))
  }

  find(snapshotId: string, repository: Repository, digest: Digest, client: string): Admission | undefined {
    return (
      this.#admissions.get(keyOf(snapshotId, repository, digest, '')) ??
      this.#admissions.get(keyOf(snapshotId, repository, digest, client))
    )
  }

  #set(key: string, admission: Admission, ttlMs: number): void {
    const ttl = Math.floor(boundedMs(ttlMs, admission.goodUntil))
    if (ttl > 0) this.#admissions.set(key, admission, { ttl })
  }
}

/** Where an admission counts. */
export type AdmissionPlace = {
  readonly snapshotId: string
  readonly repository: Repository
  readonly digest: Digest
  readonly client: string
}

/** No part can hold a blank but the last, so no two tuples share a key. */
function keyOf(snapshotId: string, repository: Repository, digest: Digest, client: string): string {
  return `${snapshotId} ${repositoryName(repository)} ${digest} ${client}`
}
