import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { digestOf, hexOf, type Digest } from '../../src/reference/digest.ts'

/** A signer of the test's own: its keys are made when the test starts, and are gone when it ends. */
export type Signer = { readonly publicPem: string; readonly sign: (payload: Uint8Array) => Uint8Array }

export function ecdsaSigner(namedCurve: 'P-256' | 'P-384' | 'P-521' = 'P-256', hash = 'sha256'): Signer {
  return signerOf(generateKeyPairSync('ec', { namedCurve }), hash)
}

export function signerOf(pair: { publicKey: KeyObject; privateKey: KeyObject }, hash: string | null): Signer {
  return {
    publicPem: pair.publicKey.export({ type: 'spki', format: 'pem' }),
    sign: payload => sign(hash, payload, pair.privateKey),
  }
}

export type Blob = {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
  readonly bytes: Buffer
}

export function blobOf(bytes: Buffer | string, mediaType = 'application/octet-stream'): Blob {
  const buffer = Buffer.from(bytes)
  return { mediaType, digest: digestOf(buffer), size: buffer.byteLength, bytes: buffer }
}

export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
export const SIMPLE_SIGNING = 'application/vnd.dev.cosign.simplesigning.v1+json'

const descriptorOf = ({ mediaType, digest, size }: Blob): object => ({ mediaType, digest, size })

/** A small image: the manifest, and the config and layer it names. `salt` makes it another one. */
export function imageOf(salt: string): { readonly manifest: Blob; readonly blobs: readonly Blob[] } {
  const config = blobOf(
    JSON.stringify({ architecture: 'amd64', os: 'linux', salt }),
    'application/vnd.oci.image.config.v1+json',
  )
  const layer = blobOf(createHash('sha512').update(salt).digest(), 'application/vnd.oci.image.layer.v1.tar+gzip')
  const manifest = blobOf(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: descriptorOf(config),
      layers: [descriptorOf(layer)],
    }),
    OCI_MANIFEST,
  )
  return { manifest, blobs: [config, layer] }
}

export function indexOf(children: readonly Blob[]): Blob {
  return blobOf(
    JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: children.map(descriptorOf) }),
    OCI_INDEX,
  )
}

/** What cosign states about an image. */
export function payloadOf(digest: string, reference: string): Buffer {
  return Buffer.from(
    JSON.stringify({
      critical: {
        identity: { 'docker-reference': reference },
        image: { 'docker-manifest-digest': digest },
        type: 'cosign container image signature',
      },
      optional: null,
    }),
  )
}

export type AttachedLayer = { readonly payload: Blob; readonly annotations: Readonly<Record<string, string>> }

/** One layer of a `.sig` manifest: a payload with its signature, as `cosign sign` makes it. */
export function signatureLayer(signer: Signer, payload: Buffer): AttachedLayer {
  const signature = Buffer.from(signer.sign(payload)).toString('base64')
  return {
    payload: blobOf(payload, SIMPLE_SIGNING),
    annotations: { 'dev.cosignproject.cosign/signature': signature },
  }
}

/** The manifest under a `.sig` tag. */
export function sigManifest(layers: readonly AttachedLayer[]): {
  readonly manifest: Blob
  readonly blobs: readonly Blob[]
} {
  const config = blobOf('{}', 'application/vnd.oci.image.config.v1+json')
  const manifest = blobOf(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: descriptorOf(config),
      layers: layers.map(({ payload, annotations }) => ({ ...descriptorOf(payload), annotations })),
    }),
    OCI_MANIFEST,
  )
  return { manifest, blobs: [config, ...layers.map(({ payload }) => payload)] }
}

export function sigTag(digest: Digest): string {
  return `sha256-${hexOf(digest)}.sig`
}
