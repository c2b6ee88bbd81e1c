import { deflateRawSync, deflateSync } from 'node:zlib'
import {
  config,
  createMessage,
  enums,
  generateKey,
  sign,
  SignaturePacket,
  type AnySecretKeyPacket,
  type KeyOptions,
  type PrivateKey,
  type SecretKeyPacket,
} from 'openpgp'
import { digestOf } from '../../src/reference/digest.ts'
import { parseGpgKeyring, type GpgKeyring } from '../../src/signatures/gpg-keyring.ts'
import { framePackets, scanPackets, type OpenPgpPacket } from '../../src/signatures/openpgp-packets.ts'
import type { SignatureCheck } from '../../src/signatures/signature.ts'

/** GPG material made at test start: nothing of it is ever stored. */

export const NOW: Date = new Date('2026-06-01T12:00:00Z')
export const MINUTE = 60_000
export const DAY: number = 24 * 60 * MINUTE
/** All keys are a hundred days old unless a test says otherwise. */
export const KEY_MADE: Date = new Date(NOW.getTime() - 100 * DAY)
/** Signatures are a day old. */
export const SIGNED: Date = new Date(NOW.getTime() - DAY)

export const MANIFEST: Uint8Array = Buffer.from('{"schemaVersion":2}')
export const SUBJECT: { bytes: Uint8Array; digest: ReturnType<typeof digestOf> } = {
  bytes: MANIFEST,
  digest: digestOf(MANIFEST),
}
export const REFERENCE = 'example.org/test:latest'

/** The types of openpgp.js call the key packet of a private key a public one, and `isPrivate()` narrows to never. */
export type SigningKey = PrivateKey & { readonly keyPacket: SecretKeyPacket }

export async function makeKey(options: Partial<KeyOptions> = {}): Promise<SigningKey> {
  const { privateKey } = await generateKey({
    type: 'ecc',
    curve: 'ed25519Legacy',
    userIDs: [{ name: 'sealgate test' }],
    date: KEY_MADE,
    ...options,
    format: 'object',
  })
  return privateKey as SigningKey
}

export function publicBytes(...keys: readonly PrivateKey[]): Uint8Array {
  return Buffer.concat(keys.map(key => key.toPublic().write()))
}

export async function ringOf(...keys: readonly PrivateKey[]): Promise<GpgKeyring> {
  return parseGpgKeyring([publicBytes(...keys)], 'test.gpg')
}

export function wordsOf(result: SignatureCheck): string {
  return result.verified ? 'verified' : `${result.rejection.code}: ${result.rejection.message}`
}

export type Payload = {
  critical: { type?: unknown; image?: unknown; identity?: unknown } & Record<string, unknown>
  optional?: unknown
} & Record<string, unknown>

export function payload(): Payload {
  return {
    critical: {
      type: 'atomic container signature',
      image: { 'docker-manifest-digest': SUBJECT.digest },
      identity: { 'docker-reference': REFERENCE },
    },
    optional: { creator: 'sealgate test', timestamp: 1_780_000_000 },
  }
}

export function bytesOf(content: unknown): Uint8Array {
  return Buffer.from(typeof content === 'string' ? content : JSON.stringify(content))
}

/** A signature as podman and skopeo make it, but not compressed: one-pass signature, literal, signature. */
export async function signPayload(
  key: PrivateKey,
  content: unknown = payload(),
  options: { date?: Date } = {},
): Promise<Uint8Array> {
  const message = await createMessage({ binary: bytesOf(content) })
  return sign({ message, signingKeys: key, format: 'binary', date: options.date ?? SIGNED })
}

/** A signature of the older form, signature then literal, with fields that openpgp.js would not write by itself. */
export async function signByHand(
  keyPacket: AnySecretKeyPacket,
  content: unknown,
  fields: Partial<SignaturePacket> = {},
  date: Date = SIGNED,
): Promise<readonly OpenPgpPacket[]> {
  const message = await createMessage({ binary: bytesOf(content) })
  const literal = message.packets[0]
  if (literal === undefined) throw new Error('no literal packet')
  const signature = new SignaturePacket()
  Object.assign(signature, {
    signatureType: enums.signature.binary,
    publicKeyAlgorithm: keyPacket.algorithm,
    hashAlgorithm: enums.hash.sha256,
    ...fields,
  })
  await signWith(signature, keyPacket, literal, date)
  return [
    { tag: 2, body: signature.write() },
    { tag: 11, body: literal.write() },
  ]
}

/** No salt in a notation: there is none for the weak hashes that tests sign with. */
const SIGNING_CONFIG = { ...config, nonDeterministicSignaturesViaNotation: false }

/** The library's own types leave out the last parameter, without which it fails. */
export async function signWith(signature: SignaturePacket, ...args: readonly unknown[]): Promise<void> {
  const [keyPacket, data, date] = args
  const sign: unknown = Reflect.get(signature, 'sign')
  if (typeof sign !== 'function') throw new Error('openpgp.js has changed')
  await Reflect.apply(sign, signature, [keyPacket, data, date, false, SIGNING_CONFIG])
}

export function packetsOf(bytes: Uint8Array): readonly OpenPgpPacket[] {
  const packets = scanPackets(bytes, 100)
  if (packets === undefined) throw new Error('not packets')
  return packets
}

export function compressed(bytes: Uint8Array, algorithm: 0 | 1 | 2 | 3 = 1): Uint8Array {
  const packed = algorithm === 1 ? deflateRawSync(bytes) : algorithm === 2 ? deflateSync(bytes) : bytes
  return framePackets([{ tag: 8, body: Buffer.concat([Buffer.from([algorithm]), packed]) }])
}
