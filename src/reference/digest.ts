import { createHash, timingSafeEqual } from 'node:crypto'

declare const brand: unique symbol

/**
 * `sha256:` and 64, or `sha512:` and 128, lower-case hex digits: the two algorithms the OCI image spec registers.
 * `parseDigest` and `digestOf` are the only makers.
 */
export type Digest = string & { readonly [brand]: 'Digest' }

export type DigestAlgorithm = 'sha256' | 'sha512'

const DIGEST = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/

export function isDigest(text: string): text is Digest {
  return DIGEST.test(text)
}

/** The digest in `text`, or undefined if it is none (upper-case hex, other algorithms and other lengths are none). */
export function parseDigest(text: string): Digest | undefined {
  return isDigest(text) ? text : undefined
}

export function algorithmOf(digest: Digest): DigestAlgorithm {
  return digest.startsWith('sha512:') ? 'sha512' : 'sha256'
}

export function hexOf(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1)
}

export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = 'sha256'): Digest {
  const text = `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`
  if (!isDigest(text)) throw new Error(`createHash made no digest: ${text}`)
  return text
}

/** Whether `digest` is the digest of `bytes`, computed with the digest's own algorithm. */
export function digestMatches(digest: Digest, bytes: Uint8Array): boolean {
  const expected = Buffer.from(digest)
  const actual = Buffer.from(digestOf(bytes, algorithmOf(digest)))
  return expected.length === actual.length && timingSafeEqual(expected, actual)
}

/** `sha256:ab12cd34ef56…`, for people. */
export function shortDigest(digest: Digest): string {
  return `${digest.slice(0, digest.indexOf(':') + 13)}…`
}
