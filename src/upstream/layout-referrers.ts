import { parseManifest, type Manifest } from '../manifest/manifest.ts'
import type { Descriptor } from '../manifest/descriptor.ts'
import { algorithmOf, hexOf, type Digest } from '../reference/digest.ts'
import { isTag } from '../reference/repository.ts'
import type { LayoutIndex } from './layout-index.ts'

/** A layout with more entry points than this is searched no further. */
const MAX_SEARCHED = 2000

/**
 * What refers to `subject` in a layout: every entry point whose manifest names it as its subject, and what the fallback
 * tag lists. An entry that is no manifest refers to nothing.
 */
export async function referrersIn(
  index: LayoutIndex,
  subject: Digest,
  read: (digest: Digest) => Promise<Uint8Array | undefined>,
): Promise<readonly Descriptor[]> {
  const found = new Map<Digest, Descriptor>()
  for (const entry of index.entries.slice(0, MAX_SEARCHED)) {
    const manifest = await readManifest(entry.digest, entry.mediaType, read)
    if (manifest?.subject?.digest !== subject) continue
    const configType = manifest.kind === 'image' ? manifest.config.mediaType : undefined
    found.set(entry.digest, {
      mediaType: manifest.mediaType,
      digest: entry.digest,
      size: manifest.bytes.byteLength,
      annotations: manifest.annotations,
      untrustedArtifactType: manifest.artifactType ?? configType,
    })
  }
  const tag = `${algorithmOf(subject)}-${hexOf(subject)}`
  const fallback = isTag(tag) ? index.byTag.get(tag) : undefined
  const list = fallback && (await readManifest(fallback.digest, fallback.mediaType, read))
  if (list?.kind === 'index') {
    for (const child of list.children) if (!found.has(child.digest)) found.set(child.digest, child)
  }
  return [...found.values()]
}

async function readManifest(
  digest: Digest,
  mediaType: string,
  read: (digest: Digest) => Promise<Uint8Array | undefined>,
): Promise<Manifest | undefined> {
  try {
    const bytes = await read(digest)
    return bytes && parseManifest(bytes, mediaType, algorithmOf(digest))
  } catch {
    // Whatever it is, it is not a manifest with a subject; pulled by its own name it answers with its error.
    return undefined
  }
}
