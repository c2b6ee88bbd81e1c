import { createHash, type Hash } from 'node:crypto'
import { Transform, type Readable, type TransformCallback } from 'node:stream'
import { TopLevelKeys } from '../json/top-level-keys.ts'
import { includesManifestKey } from '../manifest/manifest-keys.ts'
import { MAX_MANIFEST_BYTES } from '../manifest/manifest.ts'
import { algorithmOf, hexOf, type Digest } from '../reference/digest.ts'

const SPACE: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d])
const OPENING_BRACE = 0x7b

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

/**
 * Stands between an upstream's blob and the client. Two things end the stream with an error before its last bytes have
 * left, so that what the client holds is never whole:
 *
 * - the blob is a manifest or an index: containerd asks for manifests here when the manifests route refuses (case 123).
 *   What begins like a JSON object is read key by key; if it could be a manifest by its size, nothing leaves before it
 *   has been read to its end.
 * - the bytes do not have the digest that was asked for (case 125).
 */
export class BlobGuard extends Transform {
  readonly #digest: Digest
  readonly #hash: Hash
  #held: Buffer[] = []
  #heldBytes = 0
  #keys: TopLevelKeys | undefined
  #begun = false

  constructor(digest: Digest) {
    super({ highWaterMark: 256 * 1024 })
    this.#digest = digest
    this.#hash = createHash(algorithmOf(digest))
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#hash.update(chunk)
    if (!this.#begun) {
      const first = chunk.find(byte => !SPACE.has(byte))
      if (first !== undefined) {
        this.#begun = true
        if (first === OPENING_BRACE) this.#keys = new TopLevelKeys()
      }
    }
    if (this.#keys !== undefined && includesManifestKey(this.#keys.push(chunk))) return done(new ManifestInBlobError())
    this.#held.push(chunk)
    this.#heldBytes += chunk.byteLength
    // One chunk is always held back; of a document small enough to be a manifest, everything.
    const keep = this.#keys !== undefined && this.#heldBytes <= MAX_MANIFEST_BYTES ? this.#held.length : 1
    while (this.#held.length > keep) this.#release()
    done()
  }

  override _flush(done: TransformCallback): void {
    const actual = this.#hash.digest('hex')
    if (actual !== hexOf(this.#digest))
      return done(new BlobDigestError(this.#digest, `${algorithmOf(this.#digest)}:${actual}`))
    while (this.#held.length > 0) this.#release()
    done()
  }

  #release(): void {
    const chunk = this.#held.shift()
    if (chunk === undefined) return
    this.#heldBytes -= chunk.byteLength
    this.push(chunk)
  }
}

/**
 * Whether a blob is a manifest or index document, read from its beginning until that is certain: one chunk for anything
 * that is not JSON.
 *
 * @param stream is destroyed afterwards
 */
export async function isManifestDocument(stream: Readable): Promise<boolean> {
  let keys: TopLevelKeys | undefined
  try {
    for await (const chunk of stream) {
      const bytes = Buffer.from(chunk)
      if (keys === undefined) {
        const first = bytes.find(byte => !SPACE.has(byte))
        if (first === undefined) continue
        if (first !== OPENING_BRACE) return false
        keys = new TopLevelKeys()
      }
      if (includesManifestKey(keys.push(bytes))) return true
    }
    return false
  } finally {
    stream.destroy()
  }
}
