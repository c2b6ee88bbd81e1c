import { LRUCache } from 'lru-cache'
import type { Manifest } from '../manifest/manifest.ts'
import { repositoryName, type Repository } from '../reference/repository.ts'
import type { Digest } from '../reference/digest.ts'
import type { Exception } from './enforcement.ts'

const TRAIL_MS = 10 * 60 * 1000
const MAX_DIGESTS = 20_000

/**
 * An exception for `repository:tag` is of no use if the digest behind the tag is refused, and every client goes on by
 * digest: to the manifest it was told of, and to the children of an index. This remembers, for the client that was let
 * through and for minutes only, by which exception it was. The date of the exception holds here as well.
 */
export class ExceptionTrail {
  readonly #followed: LRUCache<string, Exception> = new LRUCache({ max: MAX_DIGESTS, ttl: TRAIL_MS })

  leave(exception: Exception, repository: Repository, manifest: Manifest, client: string): void {
    this.#followed.set(keyOf(repository, manifest.digest, client), exception)
    if (manifest.kind !== 'index') return
    for (const { digest } of manifest.children) this.#followed.set(keyOf(repository, digest, client), exception)
  }

  find(repository: Repository, digest: Digest, client: string): Exception | undefined {
    return this.#followed.get(keyOf(repository, digest, client))
  }
}

function keyOf(repository: Repository, digest: Digest, client: string): string {
  return `${client} ${repositoryName(repository)}@${digest}`
}
