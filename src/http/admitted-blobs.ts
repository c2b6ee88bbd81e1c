import { LRUCache } from 'lru-cache'
import type { Manifest } from '../manifest/manifest.ts'
import type { Digest } from '../reference/digest.ts'
import { repositoryName, type Repository } from '../reference/repository.ts'

const TTL_MS = 24 * 3600 * 1000

/** The blobs that accepted manifests of a repository name, for `blobs: admitted` (design.md section 7, 11). */
export class AdmittedBlobs {
  /** Made when it is first needed: its table is set up for all that it may ever hold. */
  #blobs: LRUCache<string, true> | undefined
  readonly #maxBlobs: number

  constructor(maxBlobs: number) {
    this.#maxBlobs = maxBlobs
  }

  /** @param snapshotId the policy under which the manifest was accepted; another policy must accept it anew */
  admit(snapshotId: string, repository: Repository, manifest: Manifest): void {
    if (manifest.kind === 'index') return
    this.#blobs ??= new LRUCache({ max: this.#maxBlobs, ttl: TTL_MS })
    for (const { digest } of [manifest.config, ...manifest.layers])
      this.#blobs.set(keyOf(snapshotId, repository, digest), true)
  }

  has(snapshotId: string, repository: Repository, digest: Digest): boolean {
    return this.#blobs?.get(keyOf(snapshotId, repository, digest)) === true
  }
}

function keyOf(snapshotId: string, repository: Repository, digest: Digest): string {
  return `${snapshotId} ${repositoryName(repository)} ${digest}`
}
