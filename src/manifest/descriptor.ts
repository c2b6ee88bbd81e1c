import type { JsonCursor } from '../json/decode.ts'
import { foldedNames, hasNoCaseVariant } from '../json/fold-key.ts'
import { parseDigest, type Digest } from '../reference/digest.ts'

/** OCI image-spec 1.1, descriptor.md. Fields that nothing here reads are left in the bytes. */
export type Descriptor = {
  readonly mediaType: string
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  readonly annotations: ReadonlyMap<string, string>
  /** As an index claims it; registries and libraries wrote wrong ones for years, so nothing is decided on it. */
  readonly untrustedArtifactType: string | undefined
}

const NAMES = foldedNames(['mediaType', 'digest', 'size', 'urls', 'annotations', 'data', 'platform', 'artifactType'])

/**
 * Other keys may be there, but none that a client in Go would take for one of the fields: a layer with a "mediaType" and
 * a "MediaType" would be a signature here and a file system there (cases 104, 112).
 */
export function decodeDescriptor(cursor: JsonCursor): Descriptor | undefined {
  if (cursor.entries() === undefined || !hasNoCaseVariant(cursor, NAMES)) return undefined
  const mediaTypeCursor = cursor.member('mediaType')
  const digestCursor = cursor.member('digest')
  const sizeCursor = cursor.member('size')
  if (mediaTypeCursor === undefined) return cursor.fail('missing key "mediaType"')
  if (digestCursor === undefined) return cursor.fail('missing key "digest"')
  if (sizeCursor === undefined) return cursor.fail('missing key "size"')

  const mediaType = mediaTypeCursor.string()
  const digestText = digestCursor.string()
  const size = sizeCursor.integer(0)
  const annotations = decodeAnnotations(cursor.member('annotations'))
  if (mediaType === undefined || digestText === undefined || size === undefined || annotations === undefined)
    return undefined
  const digest = parseDigest(digestText)
  if (digest === undefined) return digestCursor.fail('is not a sha256 or sha512 digest')
  const artifactType = cursor.member('artifactType')?.node
  return {
    mediaType,
    digest,
    size,
    annotations,
    untrustedArtifactType: artifactType?.kind === 'string' ? artifactType.value : undefined,
  }
}

/** Most descriptors have none, and a cache of manifests holds many: one empty map does for all. */
const NO_ANNOTATIONS: ReadonlyMap<string, string> = new Map()

/** Annotations are a flat map of strings; absent and null are empty. */
export function decodeAnnotations(cursor: JsonCursor | undefined): ReadonlyMap<string, string> | undefined {
  if (cursor === undefined || cursor.node.kind === 'null') return NO_ANNOTATIONS
  const entries = cursor.entries()
  if (entries === undefined) return undefined
  const annotations = new Map<string, string>()
  for (const [key, value] of entries) {
    const text = value.string()
    if (text === undefined) return undefined
    annotations.set(key, text)
  }
  return annotations
}
