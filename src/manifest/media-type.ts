/** The media types that this program knows by name. OCI image-spec 1.1; docker's image manifest v2 schema 2. */
export const MEDIA_TYPES = {
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  simpleSigning: 'application/vnd.dev.cosign.simplesigning.v1+json',
  dsse: 'application/vnd.dsse.envelope.v1+json',
} as const

export type ManifestMediaType =
  | typeof MEDIA_TYPES.ociManifest
  | typeof MEDIA_TYPES.ociIndex
  | typeof MEDIA_TYPES.dockerManifest
  | typeof MEDIA_TYPES.dockerList

const MANIFEST_TYPES: ReadonlySet<string> = new Set<ManifestMediaType>([
  MEDIA_TYPES.ociManifest,
  MEDIA_TYPES.ociIndex,
  MEDIA_TYPES.dockerManifest,
  MEDIA_TYPES.dockerList,
])

/**
 * What every manifest request to an upstream accepts, whatever the client said: an answer that varies with the client's
 * Accept would let it choose what is checked (case 129).
 */
export const MANIFEST_ACCEPT: string = [...MANIFEST_TYPES].join(', ')

export function isManifestMediaType(text: string): text is ManifestMediaType {
  return MANIFEST_TYPES.has(text)
}

/** `application/json; charset=utf-8` → `application/json`; undefined for an empty or absent header. */
export function essenceOf(contentType: string | undefined): string | undefined {
  const essence = contentType?.split(';', 1)[0]?.trim().toLowerCase()
  return essence === '' ? undefined : essence
}

const SIGNATURE_LAYERS: ReadonlySet<string> = new Set([
  MEDIA_TYPES.simpleSigning,
  MEDIA_TYPES.dsse,
  // What `cosign attach sbom` writes.
  'text/spdx',
  'text/spdx+json',
  'text/spdx+xml',
  'application/vnd.cyclonedx',
  'application/vnd.cyclonedx+json',
  'application/vnd.cyclonedx+xml',
  'application/vnd.syft+json',
])

const BUNDLE =
  /^application\/vnd\.dev\.sigstore\.bundle(?:\.v[0-9]+(?:\.[0-9]+)?\+json|\+json;\s?version=[0-9]+\.[0-9]+)$/

export function isBundleMediaType(text: string): boolean {
  return BUNDLE.test(text)
}

/** A layer that cosign or sigstore wrote, and that no runtime unpacks as a file system. */
export function isSignatureLayerMediaType(text: string): boolean {
  return SIGNATURE_LAYERS.has(text) || isBundleMediaType(text)
}
