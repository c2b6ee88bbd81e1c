import type { Manifest } from '../manifest/manifest.ts'
import type { Digest } from '../reference/digest.ts'
import type { ImageReference } from '../reference/image-reference.ts'
import { isTag, type Repository } from '../reference/repository.ts'
import type { AcceptedVia } from './decision.ts'

/** A verdict that rests on another one: that of the index that lists its digest, or of the tag that was said to be it. */
export type RestingVia = Extract<AcceptedVia, { by: 'index' | 'tag' }>

/** What has to be asked about first, so that it can rest on it again: as which reference, and which bytes. */
export function restedOn(
  via: RestingVia,
  repository: Repository,
  digest: Digest,
): { readonly reference: ImageReference; readonly digest: Digest } | undefined {
  if (via.by === 'index') return { reference: { by: 'digest', repository, digest: via.index }, digest: via.index }
  return isTag(via.tag) ? { reference: { by: 'tag', repository, tag: via.tag }, digest } : undefined
}

/** undefined: the upstream has it no more. Throws where it cannot be had. */
export type ManifestOf = (repository: Repository, digest: Digest) => Promise<Manifest | undefined>
