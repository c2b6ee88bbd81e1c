import type { ByteBudget } from '../cache/byte-budget.ts'
import type { Descriptor } from '../manifest/descriptor.ts'
import type { ImageManifest } from '../manifest/manifest.ts'
import type { Repository } from '../reference/repository.ts'
import { isAttachedDocument } from '../signatures/artifact-content.ts'
import { UnusableContentError } from '../signatures/signature-source.ts'

/** A blob of the repository, whole, of exactly its descriptor's size and digest; undefined where the upstream has none. */
export type BlobOf = (repository: Repository, descriptor: Descriptor) => Promise<Uint8Array | undefined>

/** Of all layers together: attestations are some MiB at most. What is larger is judged as an image is. */
const MAX_BYTES = 16 * 1024 * 1024

/** There is no room for the layers of one more artifact; it was not found out what they are. */
export class NoRoomError extends Error {
  override readonly name = 'NoRoomError'
}

/**
 * Whether no runtime can make anything of this image, for all its layers are attached documents (case 104). What they call
 * themselves is not enough, so every layer is read.
 *
 * @throws what the look-up failed with, NoRoomError
 */
export async function holdsDocumentsOnly(
  repository: Repository,
  { layers }: ImageManifest,
  blobOf: BlobOf,
  budget: ByteBudget | undefined,
): Promise<boolean> {
  const total = layers.reduce((sum, { size }) => sum + size, 0)
  if (total > MAX_BYTES) return false
  const release = budget?.hold(layers, total)
  if (budget !== undefined && release === undefined)
    throw new NoRoomError('too many bytes of attachments are looked at')
  try {
    for (const layer of layers) {
      const bytes = await blobOf(repository, layer)
      if (bytes === undefined || !isAttachedDocument(bytes)) return false
    }
    return true
  } catch (error) {
    if (error instanceof UnusableContentError) return false
    throw error
  } finally {
    release?.()
  }
}
