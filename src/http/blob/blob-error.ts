import type { Digest } from '../../reference/digest.ts'

export class ManifestInBlobError extends Error {
  override readonly name = 'ManifestInBlobError'

  constructor() {
    super('this blob is a manifest: it can only be pulled as one')
  }
}

export class BlobDigestError extends Error {
  override readonly name = 'BlobDigestError'

  constructor(expected: Digest, actual: string) {
    super(`the upstream sent a blob with the digest ${actual} for ${expected}`)
  }
}
