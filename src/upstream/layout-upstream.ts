import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import type { Descriptor } from '../manifest/descriptor.ts'
import { looksLikeManifest } from '../manifest/manifest-keys.ts'
import { MAX_MANIFEST_BYTES } from '../manifest/manifest.ts'
import { algorithmOf, digestMatches, digestOf, hexOf, isDigest, type Digest } from '../reference/digest.ts'
import type { Repository, Tag } from '../reference/repository.ts'
import { openRegular } from './layout-file.ts'
import { LayoutIndexes, type LayoutIndex } from './layout-index.ts'
import { LayoutReferrers } from './layout-referrers.ts'
import { resolveRange } from './byte-range.ts'
import { UpstreamError } from './upstream-error.ts'
import type { FetchedManifest, OpenBlobOptions, OpenedBlob, TagList, TagsPage, Upstream } from './upstream.ts'

/**
 * A tree of OCI image layouts, `<root>/<host>/<repository>`, as a registry. Its files may change while it is served:
 * `cosign sign` on a layout counts with the next pull. OCI image-spec 1.1, image-layout.md.
 */
export function openLayoutUpstream(root: string): Upstream {
  const indexes = new LayoutIndexes(root)
  const searched = new LayoutReferrers()
  // Host and path are branded: no component of them is empty, "." or "..".
  const directoryOf = ({ host, path }: Repository): string => join(root, host, ...path.split('/'))
  const indexOf = (repository: Repository): Promise<LayoutIndex | undefined> => indexes.read(directoryOf(repository))

  /** A whole blob, hashed; undefined where there is none. */
  async function readBlob(repository: Repository, digest: Digest, maxBytes: number): Promise<Uint8Array | undefined> {
    const opened = await openRegular(blobPath(directoryOf(repository), digest), root)
    if (opened === undefined) return undefined
    try {
      if (opened.stats.size > maxBytes) {
        throw new UpstreamError('TOO_LARGE', `${digest} has ${opened.stats.size} bytes, more than ${maxBytes}`)
      }
      const bytes = await opened.handle.readFile()
      if (digestMatches(digest, bytes)) return bytes
      const actual = digestOf(bytes, algorithmOf(digest))
      throw new UpstreamError('DIGEST_MISMATCH', `the layout has ${actual} under the name of ${digest}`, {
        digests: { expected: digest, actual },
      })
    } finally {
      await opened.handle.close()
    }
  }

  async function manifest(repository: Repository, reference: Tag | Digest): Promise<FetchedManifest | undefined> {
    const index = await indexOf(repository)
    if (index === undefined) return undefined
    const listed = isDigest(reference) ? index.byDigest.get(reference) : index.byTag.get(reference)
    const digest = isDigest(reference) ? reference : listed?.digest
    if (digest === undefined) return undefined
    const bytes = await readBlob(repository, digest, MAX_MANIFEST_BYTES)
    // Config and layers lie beside the manifests here; a registry keeps them apart.
    if (bytes === undefined || !looksLikeManifest(bytes)) return undefined
    return { bytes, contentType: listed?.mediaType }
  }

  async function blob(repository: Repository, { digest, size }: Descriptor): Promise<Uint8Array | undefined> {
    const bytes = await readBlob(repository, digest, size)
    if (bytes !== undefined && bytes.byteLength !== size) {
      throw new UpstreamError('DIGEST_MISMATCH', `${digest} has ${bytes.byteLength} bytes, its descriptor says ${size}`)
    }
    return bytes
  }

  async function openBlob(
    repository: Repository,
    digest: Digest,
    { method, range, signal }: OpenBlobOptions,
  ): Promise<OpenedBlob | undefined> {
    if ((await indexOf(repository)) === undefined) return undefined
    const opened = await openRegular(blobPath(directoryOf(repository), digest), root)
    if (opened === undefined) return undefined
    const { handle, stats } = opened
    const part = range === undefined ? undefined : resolveRange(range, stats.size)
    if (part === 'unsatisfiable' || method === 'HEAD') {
      await handle.close()
      if (part === 'unsatisfiable')
        return { status: 416, headers: { 'content-range': `bytes */${stats.size}` }, body: undefined }
      return { status: 200, headers: headersOf(stats.size), body: undefined }
    }
    const place = part === undefined ? {} : { start: part.first, end: part.last }
    const body = createReadStream('', { fd: handle, signal, highWaterMark: 256 * 1024, ...place })
    if (part === undefined) return { status: 200, headers: headersOf(stats.size), body }
    const headers = {
      ...headersOf(part.last - part.first + 1),
      'content-range': `bytes ${part.first}-${part.last}/${stats.size}`,
    }
    return { status: 206, headers, body }
  }

  async function tags(repository: Repository, { n, last }: TagsPage): Promise<TagList | undefined> {
    const index = await indexOf(repository)
    if (index === undefined) return undefined
    const sorted = [...index.byTag.keys()].sort().filter(tag => last === undefined || tag > last)
    const page = sorted.slice(0, n)
    const end = page.at(-1)
    return { tags: page, next: page.length < sorted.length && end !== undefined ? { last: end } : undefined }
  }

  async function referrers(repository: Repository, subject: Digest): Promise<readonly Descriptor[]> {
    const index = await indexOf(repository)
    if (index === undefined) return []
    return searched.find(index, subject, digest => readBlob(repository, digest, MAX_MANIFEST_BYTES))
  }

  return {
    manifest,
    blob,
    openBlob,
    tags,
    referrers,
    signatureList: async () => undefined,
    push: undefined,
    close: async () => {},
  }
}

function headersOf(length: number): Readonly<Record<string, string>> {
  return { 'content-length': String(length), 'accept-ranges': 'bytes' }
}

function blobPath(directory: string, digest: Digest): string {
  return join(directory, 'blobs', algorithmOf(digest), hexOf(digest))
}
