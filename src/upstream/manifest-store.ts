import { LRUCache } from 'lru-cache'
import { withDeadline } from '../cache/deadline.ts'
import { SingleFlight } from '../cache/single-flight.ts'
import { parseManifest, type Manifest } from '../manifest/manifest.ts'
import { essenceOf } from '../manifest/media-type.ts'
import { algorithmOf, isDigest, type Digest } from '../reference/digest.ts'
import type { ImageReference } from '../reference/image-reference.ts'
import { repositoryName, type Repository, type Tag } from '../reference/repository.ts'

export type ManifestStoreOptions = {
  /** Fetches from the upstream of the repository; a digest's bytes have been checked. undefined: there is none. */
  readonly fetch: (
    repository: Repository,
    reference: Tag | Digest,
    signal: AbortSignal,
  ) => Promise<{ readonly bytes: Uint8Array; readonly contentType: string | undefined } | undefined>
  /** Bytes of manifests kept. */
  readonly maxBytes: number
  /** Tags whose digest is remembered. */
  readonly maxTags: number
  /** Milliseconds a tag is believed to point where it did; 0: always ask. */
  readonly tagMs: number
  /** Milliseconds a digest's bytes are kept though the upstream may have deleted them. */
  readonly digestMs: number
  /** Milliseconds for one fetch, however long its waiters wait. */
  readonly timeoutMs: number
}

/** What an entry and each of its descriptors cost beside the bytes, measured with 20,000 small images. */
const ENTRY_OVERHEAD = 1200
const DESCRIPTOR_OVERHEAD = 350

/**
 * The manifests of all upstreams, fetched once and parsed once. A tag's freshness is short and its content is looked up
 * by digest, so what is judged and what is served is one buffer (I1). Waiters share a fetch, and no client's hanging up
 * ends it for the others (case 205).
 */
export class ManifestStore {
  readonly #options: ManifestStoreOptions
  readonly #manifests: LRUCache<string, Manifest>
  readonly #tags: LRUCache<string, Digest>
  readonly #flights = new SingleFlight<Manifest | undefined>()

  constructor(options: ManifestStoreOptions) {
    this.#options = options
    this.#manifests = new LRUCache({
      maxSize: options.maxBytes,
      sizeCalculation: costOf,
      ttl: options.digestMs,
    })
    this.#tags = new LRUCache({ max: options.maxTags, ttl: options.tagMs })
  }

  /** The manifest, if it is here and fresh. */
  peek(reference: ImageReference): Manifest | undefined {
    const { repository } = reference
    const digest = reference.by === 'digest' ? reference.digest : this.#tags.get(keyOf(repository, reference.tag))
    return digest && this.#manifests.get(keyOf(repository, digest))
  }

  /**
   * @returns undefined where the upstream has no such manifest
   * @throws UpstreamError if it cannot be had, ManifestError if it is none
   */
  async get(reference: ImageReference): Promise<Manifest | undefined> {
    const known = this.peek(reference)
    if (known !== undefined) return known
    const wanted = reference.by === 'digest' ? reference.digest : reference.tag
    return this.#flights.run(keyOf(reference.repository, wanted), isCurrent =>
      this.#fetch(reference.repository, wanted, isCurrent),
    )
  }

  /** What was pushed or deleted is asked for anew; a fetch that is under way is for those who wait for it already. */
  forget(repository: Repository, reference: Tag | Digest): void {
    const forgotten = keyOf(repository, reference)
    if (isDigest(reference)) this.#manifests.delete(forgotten)
    else this.#tags.delete(forgotten)
    this.#flights.forget(key => key === forgotten)
  }

  async #fetch(repository: Repository, wanted: Tag | Digest, isCurrent: () => boolean): Promise<Manifest | undefined> {
    const { timeoutMs, fetch } = this.#options
    const fetched = await withDeadline(timeoutMs, signal => fetch(repository, wanted, signal))
    if (fetched === undefined) return undefined
    const byDigest = isDigest(wanted)
    const algorithm = byDigest ? algorithmOf(wanted) : 'sha256'
    const manifest = parseManifest(fetched.bytes, essenceOf(fetched.contentType), algorithm)
    if (byDigest && manifest.digest !== wanted)
      throw new Error(`the upstream client let ${manifest.digest} pass for ${wanted}`)
    if (!isCurrent()) return manifest
    this.#manifests.set(keyOf(repository, manifest.digest), manifest)
    if (!byDigest && this.#options.tagMs > 0) this.#tags.set(keyOf(repository, wanted), manifest.digest)
    return manifest
  }
}

/** Bytes that a manifest takes in memory, about: its own and what was parsed of it. */
export function costOf(manifest: Manifest): number {
  const descriptors = manifest.kind === 'index' ? manifest.children.length : manifest.layers.length + 1
  return manifest.bytes.byteLength + ENTRY_OVERHEAD + DESCRIPTOR_OVERHEAD * descriptors
}

function keyOf(repository: Repository, reference: Tag | Digest): string {
  return `${repositoryName(repository)} ${reference}`
}
