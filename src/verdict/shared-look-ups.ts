import { LRUCache } from 'lru-cache'
import type { Manifest } from '../manifest/manifest.ts'
import type { Digest } from '../reference/digest.ts'
import { formatReference, type ImageReference } from '../reference/image-reference.ts'
import type { FindSignatures, SignatureKind } from './decide.ts'

export type SignaturesOf = (reference: ImageReference, manifest: Manifest) => FindSignatures

/** Few and for a short time: signatures may be large, and the shadow comes right after the verdict. */
const MAX_ENTRIES = 32
const TTL_MS = 10_000

/**
 * Lets a second judge use the look-ups that the first one has just made, and never the other way round: a verdict that
 * counts always looks for itself, so that a fresh signature counts at once.
 */
export function sharedLookUps(find: SignaturesOf): { readonly first: SignaturesOf; readonly second: SignaturesOf } {
  const made = new LRUCache<string, ReturnType<FindSignatures>>({ max: MAX_ENTRIES, ttl: TTL_MS })
  return {
    first: (reference, manifest) => {
      const look = find(reference, manifest)
      return kind => {
        const found = look(kind)
        made.set(keyOf(kind, reference, manifest.digest), found)
        return found
      }
    },
    second: (reference, manifest) => kind =>
      made.get(keyOf(kind, reference, manifest.digest)) ?? find(reference, manifest)(kind),
  }
}

function keyOf(kind: SignatureKind, reference: ImageReference, digest: Digest): string {
  return `${kind} ${formatReference(reference)} ${digest}`
}
