import { LRUCache } from 'lru-cache'
import { decodeJson, type JsonCursor } from '../json/decode.ts'
import { decodeDescriptor, type Descriptor } from '../manifest/descriptor.ts'
import { essenceOf, MEDIA_TYPES } from '../manifest/media-type.ts'
import { algorithmOf, hexOf, type Digest } from '../reference/digest.ts'
import { isTag, repositoryName, type Repository, type Tag } from '../reference/repository.ts'
import { UpstreamError } from './upstream-error.ts'
import type { FetchedManifest } from './upstream.ts'

export type ReferrersClientOptions = {
  readonly host: string
  /** One page; undefined where the registry answers 404. */
  readonly list: (
    repository: Repository,
    url: URL,
    accept: string,
    signal: AbortSignal,
  ) => Promise<
    | { readonly bytes: Uint8Array; readonly contentType: string | undefined; readonly link: string | undefined }
    | undefined
  >
  readonly urlOf: (repository: Repository, subject: Digest) => URL
  readonly manifest: (repository: Repository, tag: Tag, signal: AbortSignal) => Promise<FetchedManifest | undefined>
}

const MAX_PAGES = 10
const MAX_DESCRIPTORS = 1000
const KNOWN_MS = 10 * 60 * 1000
const LIMITS = { maxBytes: 4 * 1024 * 1024, maxDepth: 16 }

/**
 * What refers to a manifest: distribution-spec 1.1, "Listing Referrers", and its fallback tag for registries without the
 * API. As long as a repository has not shown that it has the API both are asked side by side, so that neither kind of
 * registry costs a round trip more.
 */
export class ReferrersClient {
  readonly #options: ReferrersClientOptions
  /** Repositories that have answered by the API. */
  readonly #haveApi: LRUCache<string, true> = new LRUCache({ max: 10_000, ttl: KNOWN_MS })

  constructor(options: ReferrersClientOptions) {
    this.#options = options
  }

  /** @throws UpstreamError where it could not be found out; that is never an empty list */
  async find(repository: Repository, subject: Digest, signal: AbortSignal): Promise<readonly Descriptor[]> {
    const name = repositoryName(repository)
    if (this.#haveApi.has(name)) {
      const found = await this.#byApi(repository, subject, signal)
      if (found !== undefined) return found
      this.#haveApi.delete(name)
    }
    const [byApi, byTag] = await Promise.allSettled([
      this.#byApi(repository, subject, signal),
      this.#byFallbackTag(repository, subject, signal),
    ])
    if (byApi.status === 'rejected') throw byApi.reason
    if (byApi.value !== undefined) {
      this.#haveApi.set(name, true)
      return byApi.value
    }
    if (byTag.status === 'rejected') throw byTag.reason
    return byTag.value
  }

  /** Whether the registry itself keeps the list. @throws UpstreamError where it could not be found out */
  async hasApi(repository: Repository, subject: Digest, signal: AbortSignal): Promise<boolean> {
    const name = repositoryName(repository)
    if (this.#haveApi.has(name)) return true
    if ((await this.#byApi(repository, subject, signal)) === undefined) return false
    this.#haveApi.set(name, true)
    return true
  }

  /** undefined: the registry has no such API (404, or 200 with something else than an index). */
  async #byApi(
    repository: Repository,
    subject: Digest,
    signal: AbortSignal,
  ): Promise<readonly Descriptor[] | undefined> {
    const first = this.#options.urlOf(repository, subject)
    const seen = new Set<string>()
    const found: Descriptor[] = []
    for (let url: URL | undefined = first; url !== undefined;) {
      if (seen.has(url.href) || seen.size === MAX_PAGES) {
        throw new UpstreamError('BAD_ANSWER', `${this.#options.host} lists referrers without end`)
      }
      seen.add(url.href)
      const page = await this.#options.list(repository, url, MEDIA_TYPES.ociIndex, signal)
      if (page === undefined || essenceOf(page.contentType) !== MEDIA_TYPES.ociIndex) {
        if (seen.size === 1) return undefined
        throw new UpstreamError('BAD_ANSWER', `${this.#options.host} lost a page of referrers`)
      }
      found.push(...this.#parse(page.bytes))
      this.#checkCount(found)
      url = this.#nextPage(page.link, first, url)
    }
    return found
  }

  async #byFallbackTag(repository: Repository, subject: Digest, signal: AbortSignal): Promise<readonly Descriptor[]> {
    const tag = `${algorithmOf(subject)}-${hexOf(subject)}`
    if (!isTag(tag)) return []
    const fetched = await this.#options.manifest(repository, tag, signal)
    if (fetched === undefined || essenceOf(fetched.contentType) !== MEDIA_TYPES.ociIndex) return []
    const found = this.#parse(fetched.bytes)
    this.#checkCount(found)
    return found
  }

  /** However they are listed: none is passed over unseen (case 63). */
  #checkCount(found: readonly Descriptor[]): void {
    if (found.length <= MAX_DESCRIPTORS) return
    throw new UpstreamError('TOO_LARGE', `${this.#options.host} lists more than ${MAX_DESCRIPTORS} referrers`)
  }

  #parse(bytes: Uint8Array): readonly Descriptor[] {
    const decoded = decodeJson(bytes, decodeIndex, LIMITS)
    if (decoded.ok) return decoded.value
    throw new UpstreamError(
      'BAD_ANSWER',
      `${this.#options.host} sent a broken list of referrers: ${decoded.problems[0].message}`,
    )
  }

  /** Only a page of the same list of the same registry is one (case 64). */
  #nextPage(link: string | undefined, first: URL, at: URL): URL | undefined {
    const target = /<([^>]*)>\s*;[^,]*\brel="?next"?/.exec(link ?? '')?.[1]
    if (target === undefined) return undefined
    const url = URL.parse(target, at)
    if (url === null || url.origin !== first.origin || url.pathname !== first.pathname) {
      throw new UpstreamError('BLOCKED', `${this.#options.host} continues its referrers somewhere else`)
    }
    return url
  }
}

function decodeIndex(root: JsonCursor): readonly Descriptor[] | undefined {
  if (root.entries() === undefined) return undefined
  const manifests = root.member('manifests')
  if (manifests === undefined || manifests.node.kind === 'null') return []
  const items = manifests.items()
  if (items === undefined) return undefined
  const descriptors = items.map(decodeDescriptor).filter(descriptor => descriptor !== undefined)
  return descriptors.length === items.length ? descriptors : undefined
}
