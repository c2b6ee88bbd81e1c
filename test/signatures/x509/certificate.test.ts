import { ASN1Obj } from '@sigstore/core'
import t from 'tap'
import { CertificateError, OIDS, parseCertificate } from '../../../src/signatures/x509/certificate.ts'
import {
  basicConstraints,
  extendedKeyUsage,
  extension,
  issue,
  OID,
  oid,
  sequence,
  tlv,
  type CertificateOptions,
} from '../../support/x509.ts'

const TRUE = tlv(0x01, Buffer.of(0xff))
/** Neither 00 nor FF: BER's true, and nothing in DER. */
const NEITHER = tlv(0x01, Buffer.of(0x01))
/** What a last arc becomes when it is cut to 32 bits: the same again. */
const wrapped = (id: string): string => id.replace(/[0-9]+$/, arc => String(BigInt(arc) + 2n ** 32n))

function nested(depth: number): Buffer {
  let value = tlv(0x05, Buffer.alloc(0))
  for (let level = 0; level < depth; level += 1) value = sequence(value)
  return value
}

t.test('case 68: DER that means one thing to a hurried reader and another to a careful one', async t => {
  const parse = (extensions: CertificateOptions['extensions'] = []): ReturnType<typeof parseCertificate> =>
    parseCertificate(issue({ extensions }).der)

  t.test('an arc that wraps to a trusted one at 32 bits is another', async t => {
    t.notMatch(parse([extendedKeyUsage(wrapped(OID.codeSigning))]).extendedKeyUsage, [OID.codeSigning])
    t.match(parse([extendedKeyUsage(OID.codeSigning)]).extendedKeyUsage, [OID.codeSigning])
    const { isCa, extensions } = parse([extension(wrapped(OIDS.basicConstraints), sequence(TRUE))])
    t.equal(isCa, false)
    t.notOk(extensions.has(OIDS.basicConstraints))
    t.equal(parse([basicConstraints(true)]).isCa, true)
  })

  const table: readonly { readonly it: string; readonly der: Buffer }[] = [
    {
      it: 'a BOOLEAN that is neither in basicConstraints',
      der: issue({ extensions: [extension(OIDS.basicConstraints, sequence(NEITHER), true)] }).der,
    },
    {
      it: 'a critical that is neither',
      der: issue({ extensions: [sequence(oid('1.2.3.4'), NEITHER, tlv(0x04, Buffer.of(5, 0)))] }).der,
    },
    {
      it: 'a BOOLEAN of two bytes',
      der: issue({ extensions: [extension(OIDS.basicConstraints, sequence(tlv(0x01, Buffer.of(0xff, 0xff))))] }).der,
    },
    {
      it: 'bytes behind what an extension holds',
      der: issue({ extensions: [extension(OIDS.basicConstraints, Buffer.concat([sequence(TRUE), sequence()]))] }).der,
    },
    { it: 'case 48: bytes behind the certificate', der: Buffer.concat([issue({}).der, Buffer.of(0)]) },
    { it: 'ten thousand sequences in each other', der: issue({ extensions: [nested(10_000)] }).der },
    {
      it: 'a thousand in an extension, which OpenSSL does not look into',
      der: issue({ extensions: [extension(OIDS.basicConstraints, nested(1000))] }).der,
    },
    { it: 'a length in more bytes than it needs', der: longLength(issue({}).der) },
    { it: 'a signature in parts, which OpenSSL puts together', der: signatureInParts(issue({}).der) },
    {
      it: 'such a length in an extension',
      der: issue({ extensions: [extension(OIDS.basicConstraints, Buffer.concat([Buffer.of(0x30, 0x81, 3), TRUE]))] })
        .der,
    },
    {
      it: 'a key usage of a byte that it says is not there',
      der: issue({ extensions: [extension(OIDS.keyUsage, tlv(0x03, Buffer.of(8, 0x04)))] }).der,
    },
  ]
  for (const { it, der } of table) t.throws(() => parseCertificate(der), CertificateError, it)
})

/** BER's constructed form of a BIT STRING, of one part. */
function signatureInParts(der: Buffer): Buffer {
  const [tbs, algorithm, signature] = ASN1Obj.parseBuffer(Buffer.from(der)).subs.map(sub => sub.toDER())
  if (!tbs || !algorithm || !signature) throw new Error('no certificate')
  return sequence(tbs, algorithm, tlv(0x23, signature))
}

/** The certificate's own length with a zero before it. */
function longLength(der: Buffer): Buffer {
  const count = (der[1] ?? 0) & 0x7f
  return Buffer.concat([Buffer.of(0x30, 0x80 | (count + 1), 0), der.subarray(2)])
}
