import { decodeJson, formatProblem, type JsonCursor } from '../json/decode.ts'
import { foldedNames, hasNoCaseVariant } from '../json/fold-key.ts'
import { digestOf, type Digest, type DigestAlgorithm } from '../reference/digest.ts'
import { decodeAnnotations, decodeDescriptor, type Descriptor } from './descriptor.ts'
import { isManifestMediaType, isSignatureLayerMediaType, MEDIA_TYPES, type ManifestMediaType } from './media-type.ts'

type Common = {
  /** As the upstream sent them. What is served is this very buffer. */
  readonly bytes: Uint8Array
  /** Computed here from `bytes`. */
  readonly digest: Digest
  readonly mediaType: ManifestMediaType
  readonly artifactType: string | undefined
  readonly subject: Descriptor | undefined
  readonly annotations: ReadonlyMap<string, string>
}

export type ImageManifest = Common & {
  readonly kind: 'image'
  readonly config: Descriptor
  readonly layers: readonly Descriptor[]
}
export type ImageIndex = Common & { readonly kind: 'index'; readonly children: readonly Descriptor[] }
export type Manifest = ImageManifest | ImageIndex

export type ManifestErrorCode = 'SCHEMA1' | 'UNKNOWN_TYPE' | 'AMBIGUOUS' | 'MALFORMED' | 'TOO_LARGE'

/** The bytes are not a manifest that every client reads alike. */
export class ManifestError extends Error {
  override readonly name = 'ManifestError'
  readonly code: ManifestErrorCode

  constructor(code: ManifestErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

/** containers/image's MaxManifestBodySize, and the least that the distribution spec asks registries to take. */
export const MAX_MANIFEST_BYTES: number = 4 * 1024 * 1024
const MAX_DEPTH = 32
/** Per manifest; a signed index larger than this is refused rather than half remembered. */
const MAX_DESCRIPTORS = 1000

/**
 * Reads a manifest or index strictly enough that no client can read another one out of the same bytes: one JSON document
 * without repeated keys or keys that differ in case only, image or index but not both (CVE-2021-41190), the media type
 * that the document names; OCI documents may leave it out, and are then what the registry or their fields say.
 *
 * @param contentType the media type the registry sent, without parameters; undefined where there was none
 * @throws ManifestError
 */
export function parseManifest(
  bytes: Uint8Array,
  contentType: string | undefined,
  algorithm: DigestAlgorithm = 'sha256',
): Manifest {
  if (bytes.byteLength > MAX_MANIFEST_BYTES) {
    throw new ManifestError('TOO_LARGE', `the manifest has ${bytes.byteLength} bytes, more than ${MAX_MANIFEST_BYTES}`)
  }
  const decoded = decodeJson(bytes, root => decodeManifest(root, bytes, contentType, algorithm), {
    maxBytes: MAX_MANIFEST_BYTES,
    maxDepth: MAX_DEPTH,
  })
  if (!decoded.ok) throw new ManifestError('MALFORMED', `malformed manifest: ${formatProblem(decoded.problems[0])}`)
  return decoded.value
}

/** Whether all its layers say that they are signatures, attestations or SBOMs; what they are only their bytes tell (case 104). */
export function claimsSignatures(manifest: Manifest): manifest is ImageManifest {
  return (
    manifest.kind === 'image' &&
    manifest.mediaType === MEDIA_TYPES.ociManifest &&
    manifest.layers.length > 0 &&
    manifest.layers.every(layer => isSignatureLayerMediaType(layer.mediaType))
  )
}

const KNOWN_KEYS = [
  'schemaVersion',
  'mediaType',
  'artifactType',
  'config',
  'layers',
  'manifests',
  'fsLayers',
  'history',
  'subject',
  'annotations',
] as const
const KNOWN_NAMES = foldedNames(KNOWN_KEYS)

function decodeManifest(
  root: JsonCursor,
  bytes: Uint8Array,
  contentType: string | undefined,
  algorithm: DigestAlgorithm,
): Manifest | undefined {
  if (root.entries() === undefined || !hasNoCaseVariant(root, KNOWN_NAMES)) return undefined
  const has = (key: (typeof KNOWN_KEYS)[number]): boolean => root.member(key) !== undefined

  if (root.member('schemaVersion')?.node.kind === 'number' && numberOf(root.member('schemaVersion')) === '1') {
    throw new ManifestError(
      'SCHEMA1',
      'docker image manifest schema 1 cannot be verified; push the image again as OCI or schema 2',
    )
  }
  // containers/image's ValidateUnambiguousManifestFormat (case 110).
  for (const field of ['fsLayers', 'history'] as const) {
    if (has(field)) throw new ManifestError('AMBIGUOUS', `the manifest has a schema 1 field, "${field}"`)
  }
  if (has('manifests') && (has('layers') || has('config'))) {
    throw new ManifestError('AMBIGUOUS', 'the manifest is an image and an index at once')
  }
  if (numberOf(root.member('schemaVersion')) !== '2') return root.fail('"schemaVersion" must be 2')

  const mediaType = mediaTypeOf(root, contentType, has('manifests'))
  const annotations = decodeAnnotations(root.member('annotations'))
  const subject = decodeOptional(root.member('subject'))
  if (annotations === undefined || subject === undefined) return undefined
  const artifactTypeCursor = root.member('artifactType')
  const artifactType = artifactTypeCursor?.string()
  if (artifactTypeCursor !== undefined && artifactType === undefined) return undefined
  const common = {
    bytes,
    digest: digestOf(bytes, algorithm),
    mediaType,
    artifactType,
    subject: subject.value,
    annotations,
  }

  if (mediaType === MEDIA_TYPES.ociIndex || mediaType === MEDIA_TYPES.dockerList) {
    const children = decodeDescriptors(root, 'manifests')
    return children && { kind: 'index', ...common, children }
  }
  const configCursor = root.member('config')
  if (configCursor === undefined) return root.fail('missing key "config"')
  const config = decodeDescriptor(configCursor)
  const layers = decodeDescriptors(root, 'layers')
  return config && layers && { kind: 'image', ...common, config, layers }
}

function mediaTypeOf(root: JsonCursor, contentType: string | undefined, isIndex: boolean): ManifestMediaType {
  const stated = root.member('mediaType')
  const own = stated === undefined ? undefined : stated.node.kind === 'string' ? stated.node.value : ''
  if (own !== undefined && !isManifestMediaType(own)) {
    throw new ManifestError(
      'UNKNOWN_TYPE',
      `the manifest's mediaType ${JSON.stringify(own)} is not one this gate can verify`,
    )
  }
  const sent = contentType !== undefined && isManifestMediaType(contentType) ? contentType : undefined
  if (own !== undefined && sent !== undefined && own !== sent) {
    throw new ManifestError('AMBIGUOUS', `the manifest says it is ${own}, the registry says ${sent}`)
  }
  const mediaType = own ?? sent ?? (isIndex ? MEDIA_TYPES.ociIndex : MEDIA_TYPES.ociManifest)
  const saysIndex = mediaType === MEDIA_TYPES.ociIndex || mediaType === MEDIA_TYPES.dockerList
  if (saysIndex !== isIndex) {
    throw new ManifestError(
      'AMBIGUOUS',
      `the manifest says it is ${mediaType}, its fields say it is ${isIndex ? 'an index' : 'an image'}`,
    )
  }
  return mediaType
}

function decodeDescriptors(root: JsonCursor, key: 'layers' | 'manifests'): readonly Descriptor[] | undefined {
  const cursor = root.member(key)
  if (cursor === undefined) return root.fail(`missing key "${key}"`)
  const items = cursor.items()
  if (items === undefined) return undefined
  if (items.length > MAX_DESCRIPTORS) return cursor.fail(`has ${items.length} entries, more than ${MAX_DESCRIPTORS}`)
  const descriptors: Descriptor[] = []
  for (const item of items) {
    const descriptor = decodeDescriptor(item)
    if (descriptor === undefined) return undefined
    descriptors.push(descriptor)
  }
  return descriptors
}

/** Wraps an optional descriptor, so that "absent" and "broken" stay apart. */
function decodeOptional(cursor: JsonCursor | undefined): { readonly value: Descriptor | undefined } | undefined {
  if (cursor === undefined || cursor.node.kind === 'null') return { value: undefined }
  const value = decodeDescriptor(cursor)
  return value && { value }
}

function numberOf(cursor: JsonCursor | undefined): string | undefined {
  return cursor?.node.kind === 'number' ? cursor.node.text : undefined
}
