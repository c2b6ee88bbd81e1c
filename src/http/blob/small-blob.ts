import { TopLevelKeys } from '../../json/top-level-keys.ts'
import { includesManifestKey } from '../../manifest/manifest-keys.ts'
import { MAX_MANIFEST_BYTES } from '../../manifest/manifest.ts'
import { algorithmOf, digestMatches, digestOf, type Digest } from '../../reference/digest.ts'
import type { OpenedBlob } from '../../upstream/upstream.ts'
import { BlobDigestError, ManifestInBlobError } from './blob-error.ts'

/** `large`: more bytes than any manifest has. Nothing else is known of it. */
export type SmallBlob = Uint8Array | 'large'

/** What a whole blob may take to read: its length as far as it is told, and never more than a manifest's. */
export function bytesToRead({ headers }: Pick<OpenedBlob, 'headers'>): number | 'large' {
  const told = headers['content-length']
  const length = told === undefined ? MAX_MANIFEST_BYTES : Number(told)
  return length > MAX_MANIFEST_BYTES ? 'large' : length
}

/**
 * Reads a whole blob that could be a manifest by its size, and checks it: a part of it that is served must be of these very
 * bytes, for asked a second time a registry may give others (cases 106, 123).
 *
 * @throws ManifestInBlobError, BlobDigestError, and what the body failed with
 */
export async function readSmallBlob(body: NonNullable<OpenedBlob['body']>, digest: Digest): Promise<SmallBlob> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of body) {
      const bytes = Buffer.from(chunk)
      length += bytes.byteLength
      if (length > MAX_MANIFEST_BYTES) return 'large'
      chunks.push(bytes)
    }
  } finally {
    body.destroy()
  }
  const whole = Buffer.concat(chunks)
  if (!digestMatches(digest, whole)) throw new BlobDigestError(digest, digestOf(whole, algorithmOf(digest)))
  if (isManifestDocument(whole)) throw new ManifestInBlobError()
  return whole
}

/** Whether a document is one that some client could take for a manifest or an index, however broken it is. */
export function isManifestDocument(bytes: Uint8Array): boolean {
  const first = bytes.find(byte => byte !== 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d)
  return first === 0x7b && includesManifestKey(new TopLevelKeys().push(bytes))
}
