import { LRUCache } from 'lru-cache'
import type { Digest } from '../reference/digest.ts'
import { repositoryName, type Repository } from '../reference/repository.ts'
import type { AcceptedVia } from './decision.ts'

export type AdmittedDigestsOptions = {
  readonly maxEntries: number
  /** Milliseconds. */
  readonly ttlMs: number
}

export type Admission = {
  readonly via: AcceptedVia
  /** Whose signatures the other verdict rested on. */
  readonly signers: readonly string[]
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

  constructor(options: AdmittedDigestsOptions) {
    this.#admissions = new LRUCache({ max: options.maxEntries, ttl: options.ttlMs })
  }

  /** Admits the children of an index that was accepted. */
  admitChildren(
    snapshotId: string,
    repository: Repository,
    index: { readonly digest: Digest; readonly children: readonly Digest[]; readonly depth: number },
    signers: readonly string[],
  ): void {
    const depth = index.depth + 1
    for (const child of index.children) {
      const key = keyOf(snapshotId, repository, child, '')
      const known = this.#admissions.get(key)
      if (known !== undefined && known.depth < depth) continue
      this.#admissions.set(key, { via: { by: 'index', index: index.digest }, signers, depth })
    }
  }

  /**
   * Admits what an accepted tag points at, for one client: docker, containerd and BuildKit ask for a tag by HEAD and then
   * fetch the digest they were told, and under a scope or claim for that tag the digest alone would be refused.
   */
  admitTag(
    snapshotId: string,
    repository: Repository,
    announced: { readonly tag: string; readonly digest: Digest; readonly signers: readonly string[] },
    client: string,
  ): void {
    const { tag, digest, signers } = announced
    this.#admissions.set(keyOf(snapshotId, repository, digest, client), { via: { by: 'tag', tag }, signers, depth: 0 })
  }

  find(snapshotId: string, repository: Repository, digest: Digest, client: string): Admission | undefined {
    return (
      this.#admissions.get(keyOf(snapshotId, repository, digest, '')) ??
      this.#admissions.get(keyOf(snapshotId, repository, digest, client))
    )
  }
}

/** No part can hold a blank but the last, so no two tuples share a key. */
function keyOf(snapshotId: string, repository: Repository, digest: Digest, client: string): string {
  return `${snapshotId} ${repositoryName(repository)} ${digest} ${client}`
}
