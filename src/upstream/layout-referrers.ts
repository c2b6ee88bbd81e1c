import { ManifestError, parseManifest, type Manifest } from '../manifest/manifest.ts'
import type { Descriptor } from '../manifest/descriptor.ts'
import { algorithmOf, hexOf, type Digest } from '../reference/digest.ts'
import { isTag } from '../reference/repository.ts'
import type { LayoutIndex } from './layout-index.ts'
import { UpstreamError } from './upstream-error.ts'

/** Manifests read for the referrers of one layout; more than any signature tool leaves behind. */
const MAX_SEARCHED = 10_000

type Read = (digest: Digest) => Promise<Uint8Array | undefined>
type BySubject = ReadonlyMap<Digest, readonly Descriptor[]>

/**
 * What refers to a manifest in a layout: every entry point, tagged or not, whose manifest names it as its subject, and
 * what the fallback tag lists. An index is searched once; a changed index.json is another index.
 */
export class LayoutReferrers {
  readonly #searches = new WeakMap<LayoutIndex, Promise<BySubject>>()

  /** @throws UpstreamError where it could not be found out; that is never an empty list */
  async find(index: LayoutIndex, subject: Digest, read: Read): Promise<readonly Descriptor[]> {
    const bySubject = await this.#search(index, read)
    const found = new Map(bySubject.get(subject)?.map(descriptor => [descriptor.digest, descriptor]))
    const tag = `${algorithmOf(subject)}-${hexOf(subject)}`
    const fallback = isTag(tag) ? index.byTag.get(tag) : undefined
    const list = fallback && (await readManifest(fallback, read)).manifest
    if (list?.kind === 'index') {
      for (const child of list.children) if (!found.has(child.digest)) found.set(child.digest, child)
    }
    return [...found.values()]
  }

  #search(index: LayoutIndex, read: Read): Promise<BySubject> {
    const known = this.#searches.get(index)
    if (known !== undefined) return known
    // What failed, or met a blob that is still to be written, is searched again the next time.
    const search = searchAll(index, read).then(
      ({ bySubject, isComplete }) => {
        if (!isComplete) this.#searches.delete(index)
        return bySubject
      },
      (error: unknown) => {
        this.#searches.delete(index)
        throw error
      },
    )
    this.#searches.set(index, search)
    return search
  }
}

async function searchAll(
  { entries }: LayoutIndex,
  read: Read,
): Promise<{ readonly bySubject: BySubject; readonly isComplete: boolean }> {
  if (entries.length > MAX_SEARCHED) {
    throw new UpstreamError('TOO_LARGE', `the layout lists more than ${MAX_SEARCHED} manifests to search for referrers`)
  }
  const bySubject = new Map<Digest, Descriptor[]>()
  let isComplete = true
  for (const entry of entries) {
    const { manifest, isThere } = await readManifest(entry, read)
    isComplete &&= isThere
    if (manifest?.subject === undefined) continue
    const configType = manifest.kind === 'image' ? manifest.config.mediaType : undefined
    const found = bySubject.get(manifest.subject.digest) ?? []
    bySubject.set(manifest.subject.digest, found)
    found.push({
      mediaType: manifest.mediaType,
      digest: entry.digest,
      size: manifest.bytes.byteLength,
      annotations: manifest.annotations,
      untrustedArtifactType: manifest.artifactType ?? configType,
    })
  }
  return { bySubject, isComplete }
}

/** An entry that is no manifest refers to nothing; one that cannot be read now might, and is an error. */
async function readManifest(
  { digest, mediaType }: Descriptor,
  read: Read,
): Promise<{ readonly manifest: Manifest | undefined; readonly isThere: boolean }> {
  try {
    const bytes = await read(digest)
    if (bytes === undefined) return { manifest: undefined, isThere: false }
    return { manifest: parseManifest(bytes, mediaType, algorithmOf(digest)), isThere: true }
  } catch (error) {
    const isUnusable =
      error instanceof ManifestError ||
      (error instanceof UpstreamError && (error.code === 'DIGEST_MISMATCH' || error.code === 'TOO_LARGE'))
    if (!isUnusable) throw error
    // Pulled by its own name it answers with its error.
    return { manifest: undefined, isThere: true }
  }
}
