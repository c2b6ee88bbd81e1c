import { createHash, sign } from 'node:crypto'
import { ASN1Obj } from '@sigstore/core'
import type { Tsa } from './local-sigstore.ts'
import { authority, extendedKeyUsage, issue, keyUsage, oid, integer, sequence, tlv, type Authority } from './x509.ts'

/**
 * A timestamp authority whose responses are written byte by byte (RFC 3161, RFC 5652), so that they can be what
 * @sigstore/mock never makes: with another hash, with certificates of one's choice in the bag, under another's number.
 */
export type HandmadeTsa = Tsa & {
  readonly leaf: Authority
  readonly respond: (signature: Buffer, options: ResponseOptions) => Buffer
}

export type ResponseOptions = {
  readonly when: Date
  readonly hash?: 'sha256' | 'sha384' | 'sha512'
  /** DER certificates beside the signature. Nobody has signed the choice. */
  readonly bag?: readonly Buffer[]
  /** The certificate that the response says it is by; its own if it is left out. */
  readonly signer?: Authority
}

const TIME_STAMPING = '1.3.6.1.5.5.7.3.8'
const HASHES = { sha256: '2.16.840.1.101.3.4.2.1', sha384: '2.16.840.1.101.3.4.2.2', sha512: '2.16.840.1.101.3.4.2.3' }
const ECDSA = { sha256: '1.2.840.10045.4.3.2', sha384: '1.2.840.10045.4.3.3', sha512: '1.2.840.10045.4.3.4' }
const SIGNED_DATA = '1.2.840.113549.1.7.2'
const TST_INFO = '1.2.840.113549.1.9.16.1.4'
const CONTENT_TYPE = '1.2.840.113549.1.9.3'
const MESSAGE_DIGEST = '1.2.840.113549.1.9.4'

export function handmadeTsa(lasting: { readonly notBefore: Date; readonly notAfter: Date }): HandmadeTsa {
  const ca = authority('tsa root', lasting)
  const extensions = [keyUsage(0x80), extendedKeyUsage(TIME_STAMPING)]
  const leaf = issue({ subject: 'tsa', issuer: ca, extensions, ...lasting })
  const respond = (signature: Buffer, options: ResponseOptions): Buffer => response(leaf, signature, options)
  return {
    leaf,
    chain: [leaf.der, ca.der],
    respond,
    stamp: async (signature, when = new Date()) => respond(signature, { when }),
  }
}

function response(by: Authority, signature: Buffer, options: ResponseOptions): Buffer {
  const { when, hash = 'sha256', bag = [], signer = by } = options
  const digest = (bytes: Buffer): Buffer => tlv(0x04, createHash(hash).update(bytes).digest())
  const algorithm = sequence(oid(HASHES[hash]))
  const info = sequence(
    integer(1),
    oid('1.2.3.4.1'),
    sequence(algorithm, digest(signature)),
    integer(7),
    tlv(0x18, Buffer.from(when.toISOString().replace(/[-:T]|\.\d+/g, ''))),
  )
  const attributes = Buffer.concat([
    sequence(oid(CONTENT_TYPE), set(oid(TST_INFO))),
    sequence(oid(MESSAGE_DIGEST), set(digest(info))),
  ])
  const signed = sign(hash, set(attributes), by.keys.privateKey)
  const [, serial, , issuer] = ASN1Obj.parseBuffer(Buffer.from(signer.der)).subs[0]?.subs ?? []
  if (serial === undefined || issuer === undefined) throw new Error('the signer is no certificate')
  const signerInfo = sequence(
    integer(1),
    sequence(issuer.toDER(), serial.toDER()),
    algorithm,
    tlv(0xa0, attributes),
    sequence(oid(ECDSA[hash])),
    tlv(0x04, signed),
  )
  const signedData = sequence(
    integer(3),
    set(algorithm),
    sequence(oid(TST_INFO), tlv(0xa0, tlv(0x04, info))),
    ...(bag.length === 0 ? [] : [tlv(0xa0, Buffer.concat(bag))]),
    set(signerInfo),
  )
  return sequence(sequence(integer(0)), sequence(oid(SIGNED_DATA), tlv(0xa0, signedData)))
}

function set(...parts: readonly Buffer[]): Buffer {
  return tlv(0x31, Buffer.concat(parts))
}
