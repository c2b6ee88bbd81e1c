import type { Readable } from 'node:stream'
import type { Descriptor } from '../manifest/descriptor.ts'
import type { Digest } from '../reference/digest.ts'
import type { Repository, Tag } from '../reference/repository.ts'
import type { FindCredentials } from './credentials/credentials.ts'
import type { Push } from './push-client.ts'

/**
 * A registry, or a directory that stands in for one: peers that behave alike in every answer. It fits SignatureSource by
 * shape. Every method gives undefined where the upstream says that there is no such thing, and throws UpstreamError
 * where that could not be found out.
 */
export type Upstream = {
  /** The bytes of a manifest. Those of a digest have been hashed and have it. */
  readonly manifest: (
    repository: Repository,
    reference: Tag | Digest,
    signal: AbortSignal,
  ) => Promise<FetchedManifest | undefined>
  /** A small blob, whole: never more than `descriptor.size`, hashed and checked. */
  readonly blob: (
    repository: Repository,
    descriptor: Descriptor,
    signal: AbortSignal,
  ) => Promise<Uint8Array | undefined>
  /** A blob as a stream that waits for its reader. Nothing of it has been checked. */
  readonly openBlob: (
    repository: Repository,
    digest: Digest,
    options: OpenBlobOptions,
  ) => Promise<OpenedBlob | undefined>
  readonly tags: (repository: Repository, page: TagsPage, signal: AbortSignal) => Promise<TagList | undefined>
  /** What refers to `subject`, by the referrers API or the fallback tag. */
  readonly referrers: (repository: Repository, subject: Digest, signal: AbortSignal) => Promise<readonly Descriptor[]>
  /** Whether the registry has the referrers API; absent: there is nobody to whom it matters, since nothing can be pushed. */
  readonly hasReferrersApi?: (repository: Repository, subject: Digest, signal: AbortSignal) => Promise<boolean>
  /**
   * The GPG signatures that the registry itself keeps for a manifest, by the X-Registry-Supports-Signatures extension, as
   * the document it answers with; undefined where it has no such extension.
   */
  readonly signatureList: (
    repository: Repository,
    digest: Digest,
    signal: AbortSignal,
  ) => Promise<Uint8Array | undefined>
  /** undefined where nothing may be pushed: by default, and always into a layout. */
  readonly push: Push | undefined
  /**
   * Asks whether the registry lets these credentials in at all, as `docker login` does; absent: nobody is turned away.
   * @throws UpstreamError UNAUTHORIZED if not
   */
  readonly login?: (signal: AbortSignal) => Promise<void>
  /**
   * The same registry as somebody else sees it: over sockets of their own, and with nothing of what was granted to others.
   * Idle sockets close by themselves. Absent: all see the same.
   */
  readonly seenBy?: (credentials: FindCredentials) => Upstream
  readonly close: () => Promise<void>
}

export type FetchedManifest = { readonly bytes: Uint8Array; readonly contentType: string | undefined }

export type OpenBlobOptions = {
  readonly method: 'GET' | 'HEAD'
  /** One byte range, already checked: `bytes=0-9`, `bytes=5-`, `bytes=-3`. */
  readonly range: string | undefined
  readonly signal: AbortSignal
}

export type OpenedBlob = {
  readonly status: 200 | 206 | 416
  /** Content-Length, Content-Range and Accept-Ranges, and no others. */
  readonly headers: Readonly<Record<string, string>>
  /** undefined for HEAD and 416. */
  readonly body: Readable | undefined
}

export type TagsPage = { readonly n: number; readonly last: Tag | undefined }

export type TagList = { readonly tags: readonly Tag[]; readonly next: { readonly last: Tag } | undefined }
