import { join } from 'node:path'
import { stat } from 'node:fs/promises'
import { LRUCache } from 'lru-cache'
import { decodeJson, formatProblem, type JsonCursor } from '../json/decode.ts'
import { decodeDescriptor, type Descriptor } from '../manifest/descriptor.ts'
import type { Digest } from '../reference/digest.ts'
import { isTag, type Tag } from '../reference/repository.ts'
import { openRegular } from './layout-file.ts'
import { UpstreamError } from './upstream-error.ts'

/** The entry points of one layout: its index.json, read. */
export type LayoutIndex = {
  readonly byTag: ReadonlyMap<Tag, Descriptor>
  readonly byDigest: ReadonlyMap<Digest, Descriptor>
  readonly entries: readonly Descriptor[]
}

const REF_NAME = 'org.opencontainers.image.ref.name'
const LIMITS = { maxBytes: 16 * 1024 * 1024, maxDepth: 16 }
const MAX_KEPT = 1000

/** The index.json files of a tree of layouts, each read again when its file has changed. */
export class LayoutIndexes {
  readonly #kept: LRUCache<string, { readonly stamp: string; readonly index: LayoutIndex }> = new LRUCache({
    max: MAX_KEPT,
  })
  readonly #root: string

  constructor(root: string) {
    this.#root = root
  }

  /** @returns undefined where there is no layout */
  async read(directory: string): Promise<LayoutIndex | undefined> {
    const path = join(directory, 'index.json')
    let stamp: string
    try {
      const stats = await stat(path, { bigint: true })
      stamp = `${stats.ino}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`
    } catch (error) {
      if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
        return undefined
      throw new UpstreamError('BAD_ANSWER', 'the index of the layout cannot be read', { cause: error })
    }
    const known = this.#kept.get(directory)
    if (known?.stamp === stamp) return known.index
    const opened = await openRegular(path, this.#root)
    if (opened === undefined) return undefined
    try {
      if (opened.stats.size > LIMITS.maxBytes) {
        throw new UpstreamError('TOO_LARGE', `the layout's index.json has more than ${LIMITS.maxBytes} bytes`)
      }
      const index = parseIndex(await opened.handle.readFile())
      this.#kept.set(directory, { stamp, index })
      return index
    } finally {
      await opened.handle.close()
    }
  }
}

/** @throws UpstreamError for anything that is not an index of descriptors */
export function parseIndex(bytes: Uint8Array): LayoutIndex {
  const decoded = decodeJson(bytes, decodeIndex, LIMITS)
  if (!decoded.ok)
    throw new UpstreamError('BAD_ANSWER', `the layout's index.json: ${formatProblem(decoded.problems[0])}`)
  const byTag = new Map<Tag, Descriptor>()
  const byDigest = new Map<Digest, Descriptor>()
  for (const descriptor of decoded.value) {
    byDigest.set(descriptor.digest, descriptor)
    const name = descriptor.annotations.get(REF_NAME)
    if (name !== undefined && isTag(name)) byTag.set(name, descriptor)
  }
  return { byTag, byDigest, entries: decoded.value }
}

function decodeIndex(root: JsonCursor): readonly Descriptor[] | undefined {
  if (root.entries() === undefined) return undefined
  const manifests = root.member('manifests')
  if (manifests === undefined) return root.fail('missing key "manifests"')
  const items = manifests.items()
  if (items === undefined) return undefined
  const descriptors = items.map(decodeDescriptor).filter(descriptor => descriptor !== undefined)
  return descriptors.length === items.length ? descriptors : undefined
}
