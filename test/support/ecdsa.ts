import { createHash, createPublicKey, type KeyObject } from 'node:crypto'
import { p256 } from '@noble/curves/nist.js'

/** What anybody can make of an ECDSA signature on P-256 without its private key. */

/** The same r with n - s: it verifies wherever the first does (case 43). */
export function mirroredSignature(der: Uint8Array): Buffer {
  const { r, s } = p256.Signature.fromBytes(der, 'der')
  return Buffer.from(new p256.Signature(r, p256.Point.Fn.neg(s)).toBytes('der'))
}

/**
 * Another public key under which the signature verifies: keys can be computed from a signature and what it is over, and
 * there is more than one (case 51). Nobody has its private key.
 */
export function twinKey(der: Uint8Array, signed: Uint8Array, key: KeyObject): KeyObject {
  const { r, s } = p256.Signature.fromBytes(der, 'der')
  for (const recovery of [0, 1]) {
    const point = new p256.Signature(r, s, recovery)
      .recoverPublicKey(createHash('sha256').update(signed).digest())
      .toAffine()
    const text = (coordinate: bigint): string =>
      Buffer.from(coordinate.toString(16).padStart(64, '0'), 'hex').toString('base64url')
    const twin = createPublicKey({
      key: { kty: 'EC', crv: 'P-256', x: text(point.x), y: text(point.y) },
      format: 'jwk',
    })
    if (!twin.equals(key)) return twin
  }
  throw new Error('no twin')
}
