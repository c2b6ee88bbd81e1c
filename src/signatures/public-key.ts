import { constants, createHash, createPublicKey, verify, type KeyObject } from 'node:crypto'
import { ed25519ph } from '@noble/curves/ed25519.js'
import { decodeBase64 } from '../json/base64.ts'

export type KeyAlgorithm = 'ecdsa-p256' | 'ecdsa-p384' | 'ecdsa-p521' | 'rsa' | 'ed25519'

/** A public key that may verify signatures: of an allowed kind and strength, checked when it was loaded. */
export type TrustedKey = {
  /** For people: `cosign.pub`, `kbs:///default/cosign-public-key/test`. */
  readonly name: string
  readonly algorithm: KeyAlgorithm
  readonly key: KeyObject
  /** SubjectPublicKeyInfo. */
  readonly der: Uint8Array
  /** SHA-256 of `der`, lower-case hex. */
  readonly fingerprint: string
}

export type KeyErrorCode = 'NOT_A_PUBLIC_KEY' | 'PRIVATE_KEY' | 'UNSUPPORTED_KEY'

/** Bytes that were to be a trusted key are not one. The message never quotes them. */
export class KeyError extends Error {
  override readonly name = 'KeyError'
  readonly code: KeyErrorCode

  constructor(code: KeyErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

const PEM = /^\s*-----BEGIN PUBLIC KEY-----\s+([A-Za-z0-9+/=\s]+?)\s*-----END PUBLIC KEY-----\s*$/
const MAX_PEM_BYTES = 64 * 1024
const RSA_MIN_BITS = 2048
/** A verification's cost grows with the modulus; nobody signs images with more. */
const RSA_MAX_BITS = 8192

/**
 * Reads a public key file as cosign writes it.
 *
 * Node's `createPublicKey` takes the first of two keys, text around a key, trailing bytes and even a private key; a key
 * file of a policy is exactly one `PUBLIC KEY` block and nothing else (cases 47, 48).
 *
 * @param name how messages and `sealgate keys` call the key
 * @throws KeyError
 */
export function parsePublicKeyPem(bytes: Uint8Array, name: string): TrustedKey {
  const text = bytes.byteLength > MAX_PEM_BYTES ? '' : Buffer.from(bytes).toString('latin1')
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) {
    throw new KeyError('PRIVATE_KEY', `${name} holds a private key; only the public key belongs here`)
  }
  const body = PEM.exec(text)?.[1]
  if (body === undefined) throw new KeyError('NOT_A_PUBLIC_KEY', `${name} is not a single PEM block "PUBLIC KEY"`)
  const der = decodeBase64(body.replace(/\s+/g, ''))
  if (der === undefined) throw new KeyError('NOT_A_PUBLIC_KEY', `the PEM block in ${name} is not base64`)
  let key: KeyObject
  try {
    key = createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' })
  } catch (cause) {
    throw new KeyError('NOT_A_PUBLIC_KEY', `the PEM block in ${name} holds no public key`, { cause })
  }
  const trusted = trustedKeyOf(key, name)
  if (!Buffer.from(trusted.der).equals(der)) {
    throw new KeyError('NOT_A_PUBLIC_KEY', `the public key in ${name} is not in its canonical form`)
  }
  return trusted
}

/**
 * Admits a public key, wherever it came from, if it is of an allowed kind: ECDSA on P-256, P-384 or P-521, RSA of 2048
 * to 8192 bits with exponent 65537, Ed25519.
 *
 * @throws KeyError UNSUPPORTED_KEY
 */
export function trustedKeyOf(key: KeyObject, name: string): TrustedKey {
  if (key.type !== 'public') throw new KeyError('PRIVATE_KEY', `${name} is not a public key`)
  const der = key.export({ type: 'spki', format: 'der' })
  const fingerprint = createHash('sha256').update(der).digest('hex')
  return { name, algorithm: algorithmOf(key, name), key, der, fingerprint }
}

/** Whether a key is of a kind that `trustedKeyOf` admits. */
export function isTakenKey(key: KeyObject): boolean {
  try {
    trustedKeyOf(key, 'a key')
    return true
  } catch (error) {
    if (!(error instanceof KeyError)) throw error
    return false
  }
}

const CURVES: ReadonlyMap<string, KeyAlgorithm> = new Map([
  ['prime256v1', 'ecdsa-p256'],
  ['secp384r1', 'ecdsa-p384'],
  ['secp521r1', 'ecdsa-p521'],
])

function algorithmOf(key: KeyObject, name: string): KeyAlgorithm {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details = {} } = key
  if (type === 'ed25519') return 'ed25519'
  if (type === 'ec') {
    const algorithm = CURVES.get(details.namedCurve ?? '')
    if (algorithm !== undefined) return algorithm
    throw new KeyError(
      'UNSUPPORTED_KEY',
      `${name} is on the curve ${details.namedCurve}; P-256, P-384 and P-521 are taken`,
    )
  }
  if (type !== 'rsa') {
    throw new KeyError('UNSUPPORTED_KEY', `${name} is a key of type ${type}; ECDSA, RSA and Ed25519 are taken`)
  }
  const bits = details.modulusLength ?? 0
  if (bits < RSA_MIN_BITS || bits > RSA_MAX_BITS) {
    throw new KeyError(
      'UNSUPPORTED_KEY',
      `${name} is an RSA key of ${bits} bits; ${RSA_MIN_BITS} to ${RSA_MAX_BITS} are taken`,
    )
  }
  if (details.publicExponent !== 65537n) {
    throw new KeyError(
      'UNSUPPORTED_KEY',
      `${name} is an RSA key with exponent ${details.publicExponent}; 65537 is taken`,
    )
  }
  return 'rsa'
}

/**
 * Whether `signature` is one that the key's owner made over `data`, in a way that some cosign makes it: ECDSA with
 * SHA-256, or the hash of the curve's size (cosign 2.6 and later); RSA with SHA-256, PKCS #1 v1.5 or PSS; Ed25519, or
 * Ed25519ph. No other hash or padding is tried (cases 45, 46).
 */
export function verifyWithKey(key: TrustedKey, data: Uint8Array, signature: Uint8Array): boolean {
  switch (key.algorithm) {
    case 'ecdsa-p256':
      return verifyEcdsa(key.key, ['sha256'], data, signature)
    case 'ecdsa-p384':
      return verifyEcdsa(key.key, ['sha384', 'sha256'], data, signature)
    case 'ecdsa-p521':
      return verifyEcdsa(key.key, ['sha512', 'sha256'], data, signature)
    case 'rsa':
      return (
        verify('sha256', data, { key: key.key, padding: constants.RSA_PKCS1_PADDING }, signature) ||
        verify(
          'sha256',
          data,
          { key: key.key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO },
          signature,
        )
      )
    case 'ed25519':
      return verify(null, data, key.key, signature) || verifyEd25519ph(key, data, signature)
  }
}

function verifyEcdsa(key: KeyObject, hashes: readonly string[], data: Uint8Array, signature: Uint8Array): boolean {
  return hashes.some(hash => verify(hash, data, { key, dsaEncoding: 'der' }, signature))
}

const ED25519_LENGTHS = { signature: 64, key: 32 } as const

/** RFC 8032 section 5.1, Ed25519ph with an empty context; Node has no such algorithm. */
function verifyEd25519ph(key: TrustedKey, data: Uint8Array, signature: Uint8Array): boolean {
  if (signature.byteLength !== ED25519_LENGTHS.signature) return false
  // The raw key is the end of its SubjectPublicKeyInfo (RFC 8410 section 4).
  return ed25519ph.verify(signature, data, key.der.subarray(key.der.byteLength - ED25519_LENGTHS.key), {
    zip215: false,
  })
}
