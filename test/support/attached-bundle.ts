import { MEDIA_TYPE_3 } from './local-sigstore.ts'
import { blobOf, OCI_MANIFEST, type Blob, type Signer } from './signer.ts'

/** A bundle as cosign 3 makes it with a key, and without a log: it names a digest, and no repository. */
export function keyBundle(signer: Signer, digest: string): Buffer {
  const payload = Buffer.from(
    JSON.stringify({
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{ digest: { sha256: digest.slice('sha256:'.length) } }],
      predicateType: 'https://sigstore.dev/cosign/sign/v1',
      predicate: {},
    }),
  )
  const payloadType = 'application/vnd.in-toto+json'
  const head = Buffer.from(`DSSEv1 ${payloadType.length} ${payloadType} ${payload.length} `)
  const sig = Buffer.from(signer.sign(Buffer.concat([head, payload]))).toString('base64')
  return Buffer.from(
    JSON.stringify({
      mediaType: MEDIA_TYPE_3,
      verificationMaterial: { publicKey: { hint: 'x' } },
      dsseEnvelope: { payload: payload.toString('base64'), payloadType, signatures: [{ sig }] },
    }),
  )
}

/** The manifest by which a bundle refers to an image. */
export function bundleReferrer(
  image: Blob,
  bytes: Buffer,
): { readonly manifest: Blob; readonly blobs: readonly Blob[] } {
  const bundle = blobOf(bytes, MEDIA_TYPE_3)
  const config = blobOf('{}', 'application/vnd.oci.empty.v1+json')
  const describe = ({ mediaType, digest, size }: Blob): object => ({ mediaType, digest, size })
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    artifactType: MEDIA_TYPE_3,
    config: describe(config),
    layers: [describe(bundle)],
    subject: describe(image),
  }
  return { manifest: blobOf(JSON.stringify(manifest), OCI_MANIFEST), blobs: [bundle, config] }
}
