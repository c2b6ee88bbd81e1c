import t from 'tap'
import { checkBundle } from '../../../src/signatures/bundle/check-bundle.ts'
import { parsePublicKeyPem } from '../../../src/signatures/public-key.ts'
import { ecdsaSigner, imageOf, type Signer } from '../../support/signer.ts'

const signer = ecdsaSigner()
const stranger = ecdsaSigner()
const keys = [
  parsePublicKeyPem(Buffer.from(stranger.publicPem), 'other.pub'),
  parsePublicKeyPem(Buffer.from(signer.publicPem), 'cosign.pub'),
]
const image = imageOf('x').manifest
const subject = { bytes: image.bytes, digest: image.digest }
const hex = image.digest.slice('sha256:'.length)

type Json = Record<string, unknown>
const statement = {
  _type: 'https://in-toto.io/Statement/v1',
  subject: [{ digest: { sha256: hex }, annotations: {} }],
  predicateType: 'https://sigstore.dev/cosign/sign/v1',
  predicate: {},
}

/** A bundle as cosign 3 makes it with a key, with one thing changed before or after it is signed. */
function bundle(
  change: {
    readonly statement?: (statement: Json) => void
    readonly text?: string
    readonly payloadType?: string
    readonly lengthOf?: (payloadType: string) => number
    readonly by?: Signer
    readonly bundle?: (bundle: Json) => void
  } = {},
): Buffer {
  const stated: Json = structuredClone(statement)
  change.statement?.(stated)
  const payload = Buffer.from(change.text ?? JSON.stringify(stated))
  const payloadType = change.payloadType ?? 'application/vnd.in-toto+json'
  const length = change.lengthOf?.(payloadType) ?? Buffer.byteLength(payloadType)
  const signed = Buffer.concat([Buffer.from(`DSSEv1 ${length} ${payloadType} ${payload.length} `), payload])
  const made: Json = {
    mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
    verificationMaterial: { publicKey: { hint: 'x' } },
    dsseEnvelope: {
      payload: payload.toString('base64'),
      payloadType,
      signatures: [{ sig: Buffer.from((change.by ?? signer).sign(signed)).toString('base64') }],
    },
  }
  change.bundle?.(made)
  return Buffer.from(JSON.stringify(made))
}
const check = (untrustedBytes: Buffer) =>
  checkBundle({ untrustedBytes, subject, trust: { by: 'keys', keys, rekorKeys: undefined }, now: new Date() })
const codeOf = (untrustedBytes: Buffer): string => {
  const checked = check(untrustedBytes)
  return checked.verified ? 'verified' : checked.rejection.code
}
const inEnvelope = (change: (envelope: Json) => void) => (made: Json) => change(made['dsseEnvelope'] as Json)

/** Texts that Node decodes to the same bytes as the one they are made of. */
const LAX_BASE64: readonly { readonly it: string; readonly of: (text: string) => string }[] = [
  { it: 'with more padding', of: text => `${text}=` },
  { it: 'with a character that is none', of: text => `${text.slice(0, 8)}&${text.slice(8)}` },
  { it: 'with a blank', of: text => `${text.slice(0, 8)} ${text.slice(8)}` },
  { it: 'with a line end', of: text => `${text}\n` },
  { it: 'with text behind it', of: text => `${text}====x` },
]

t.test('what cosign 3 makes with a key verifies, and claims no name (case 59)', async t => {
  const checked = check(bundle())
  t.match(checked, {
    verified: true,
    signature: { signer: 'cosign.pub', claim: { kind: 'none' }, digest: image.digest, loggedAt: undefined },
  })
  for (const version of ['0.1', '0.2', '0.3']) {
    t.equal(
      codeOf(
        bundle({ bundle: made => (made['mediaType'] = `application/vnd.dev.sigstore.bundle+json;version=${version}`) }),
      ),
      'verified',
      version,
    )
  }
  t.equal(codeOf(bundle({ statement: stated => (stated['_type'] = 'https://in-toto.io/Statement/v0.1') })), 'verified')
})

t.test('case 28: one subject with the digest of the served bytes is enough, whatever stands beside it', async t => {
  const ours = { digest: { sha256: hex } }
  const others: readonly { readonly it: string; readonly subject: unknown }[] = [
    { it: 'another image', subject: { digest: { sha256: 'ab'.repeat(32) } } },
    { it: 'null', subject: null },
    { it: 'one without a digest', subject: { name: 'x' } },
  ]
  for (const { it, subject: other } of others) {
    for (const subjects of [
      [ours, other],
      [other, ours],
    ]) {
      t.equal(codeOf(bundle({ statement: stated => (stated['subject'] = subjects) })), 'verified', it)
    }
    t.not(codeOf(bundle({ statement: stated => (stated['subject'] = [other, other]) })), 'verified', `${it}, twice`)
  }
})

t.test('one thing changed, and it is none', async t => {
  const table: readonly { it: string; bytes: Buffer; code: string }[] = [
    { it: 'another signer', bytes: bundle({ by: ecdsaSigner() }), code: 'UNTRUSTED_SIGNER' },
    {
      it: 'case 28: another image',
      bytes: bundle({ statement: stated => (stated['subject'] = [{ digest: { sha256: 'ab'.repeat(32) } }]) }),
      code: 'WRONG_DIGEST',
    },
    { it: 'case 28: no subject', bytes: bundle({ statement: stated => (stated['subject'] = []) }), code: 'MALFORMED' },
    {
      it: 'case 28: a subject without digest',
      bytes: bundle({ statement: stated => (stated['subject'] = [{ name: 'x' }]) }),
      code: 'MALFORMED',
    },
    {
      it: 'case 28: a null subject',
      bytes: bundle({ statement: stated => (stated['subject'] = [null]) }),
      code: 'MALFORMED',
    },
    {
      it: 'case 28: sha1 only',
      bytes: bundle({ statement: stated => (stated['subject'] = [{ digest: { sha1: 'ab'.repeat(20) } }]) }),
      code: 'MALFORMED',
    },
    {
      it: 'case 28: upper-case hex',
      bytes: bundle({ statement: stated => (stated['subject'] = [{ digest: { sha256: hex.toUpperCase() } }]) }),
      code: 'MALFORMED',
    },
    ...['', hex.slice(0, 32), `${hex}00`].map(sha256 => ({
      it: `case 72: a subject with a digest of ${sha256.length} digits`,
      bytes: bundle({ statement: stated => (stated['subject'] = [{ digest: { sha256 } }]) }),
      code: 'MALFORMED',
    })),
    { it: 'case 28: another payload type', bytes: bundle({ payloadType: 'text/plain' }), code: 'MALFORMED' },
    {
      it: 'case 29: an attestation',
      bytes: bundle({ statement: stated => (stated['predicateType'] = 'https://slsa.dev/provenance/v1') }),
      code: 'MALFORMED',
    },
    ...['https://sigstore.dev/cosign/sign/v2', 'https://cosign.sigstore.dev/attestation/v1', ''].map(predicateType => ({
      it: `case 29: the predicate type ${predicateType}`,
      bytes: bundle({ statement: stated => (stated['predicateType'] = predicateType) }),
      code: 'MALFORMED',
    })),
    {
      it: 'case 29: no predicate type',
      bytes: bundle({ statement: stated => delete stated['predicateType'] }),
      code: 'MALFORMED',
    },
    {
      it: 'another statement type',
      bytes: bundle({ statement: stated => (stated['_type'] = 'https://example.org/x') }),
      code: 'MALFORMED',
    },
    {
      it: 'case 37: a repeated subject',
      bytes: bundle({ text: JSON.stringify(statement).replace('"subject"', '"subject":[],"subject"') }),
      code: 'MALFORMED',
    },
    {
      it: 'case 37: a repeated digest, the good one first',
      bytes: bundle({
        text: JSON.stringify(statement).replace('"sha256":', `"sha256":"${hex}","sha256":"${'ab'.repeat(32)}","x":`),
      }),
      code: 'MALFORMED',
    },
    {
      it: 'case 37: a subject in another case',
      bytes: bundle({ statement: stated => (stated['Subject'] = []) }),
      code: 'MALFORMED',
    },
    {
      it: 'case 37: a digest in another case',
      bytes: bundle({
        statement: stated => (stated['subject'] = [{ digest: { sha256: hex }, Digest: { sha256: 'ab'.repeat(32) } }]),
      }),
      code: 'MALFORMED',
    },
    {
      it: 'case 38: __proto__ in the statement',
      bytes: bundle({ text: JSON.stringify(statement).replace('{', '{"__proto__":{},') }),
      code: 'MALFORMED',
    },
    {
      it: 'case 38: a digest inherited by way of __proto__',
      bytes: bundle({
        text: JSON.stringify(statement).replace('"sha256":', `"__proto__":{"sha256":"${hex}"},"x":`),
      }),
      code: 'MALFORMED',
    },
    { it: 'case 29: a signed text that is no JSON', bytes: bundle({ text: '&' }), code: 'MALFORMED' },
    {
      it: 'case 27: two signatures',
      bytes: bundle({ bundle: inEnvelope(envelope => (envelope['signatures'] as unknown[]).push({ sig: 'YQ==' })) }),
      code: 'MALFORMED',
    },
    {
      it: 'case 27: none',
      bytes: bundle({ bundle: inEnvelope(envelope => (envelope['signatures'] = [])) }),
      code: 'MALFORMED',
    },
    {
      it: 'the payload exchanged after signing',
      bytes: bundle({
        bundle: inEnvelope(
          envelope => (envelope['payload'] = Buffer.from(JSON.stringify(statement) + ' ').toString('base64')),
        ),
      }),
      code: 'UNTRUSTED_SIGNER',
    },
    // The length of its type is in bytes: the signature is good, and what is signed is no statement.
    { it: 'case 69: a payload type that is not ASCII', bytes: bundle({ payloadType: 'é' }), code: 'MALFORMED' },
    {
      it: 'case 69: lengths in UTF-16 units',
      bytes: bundle({ payloadType: 'é', lengthOf: type => type.length }),
      code: 'UNTRUSTED_SIGNER',
    },
    {
      it: 'case 69: the payload type exchanged after signing',
      bytes: bundle({ bundle: inEnvelope(envelope => (envelope['payloadType'] = 'é')) }),
      code: 'UNTRUSTED_SIGNER',
    },
    ...LAX_BASE64.map(({ it, of }) => ({
      it: `case 41: the payload ${it}`,
      bytes: bundle({ bundle: inEnvelope(envelope => (envelope['payload'] = of(String(envelope['payload'])))) }),
      code: 'MALFORMED',
    })),
    ...LAX_BASE64.map(({ it, of }) => ({
      it: `case 41: the signature ${it}`,
      bytes: bundle({
        bundle: inEnvelope(envelope => {
          const [first] = envelope['signatures'] as Json[]
          if (first !== undefined) first['sig'] = of(String(first['sig']))
        }),
      }),
      code: 'MALFORMED',
    })),
    {
      it: 'case 17: an unknown version',
      bytes: bundle({ bundle: made => (made['mediaType'] = 'application/vnd.dev.sigstore.bundle+json;version=99.9') }),
      code: 'MALFORMED',
    },
    ...['__proto__', 'constructor', 'toString'].map(mediaType => ({
      it: `case 38: the media type ${mediaType}`,
      bytes: bundle({ bundle: made => (made['mediaType'] = mediaType) }),
      code: 'MALFORMED',
    })),
    { it: 'no media type', bytes: bundle({ bundle: made => delete made['mediaType'] }), code: 'MALFORMED' },
    { it: 'a field that is none', bytes: bundle({ bundle: made => (made['extra'] = 1) }), code: 'MALFORMED' },
    {
      it: 'case 38: __proto__ as a field',
      bytes: Buffer.from(bundle().toString().replace('{', '{"__proto__":{},')),
      code: 'MALFORMED',
    },
    {
      it: 'a second envelope',
      bytes: Buffer.from(bundle().toString().replace('"dsseEnvelope"', '"dsseEnvelope":{},"dsseEnvelope"')),
      code: 'MALFORMED',
    },
    {
      it: 'case 40: a byte order mark',
      bytes: Buffer.concat([Buffer.of(0xef, 0xbb, 0xbf), bundle()]),
      code: 'MALFORMED',
    },
    {
      it: 'case 221: a megabyte and one',
      bytes: Buffer.concat([bundle(), Buffer.alloc(1024 * 1024, ' ')]),
      code: 'MALFORMED',
    },
    {
      it: 'case 224: 1025 subjects',
      bytes: bundle({
        statement: stated => (stated['subject'] = Array.from({ length: 1025 }, () => ({ digest: { sha256: hex } }))),
      }),
      code: 'MALFORMED',
    },
    { it: 'nothing', bytes: Buffer.alloc(0), code: 'MALFORMED' },
  ]
  for (const { it, bytes, code } of table) t.equal(codeOf(bytes), code, it)
})

t.test('a sha512 subject names the same bytes', async t => {
  const { createHash } = await import('node:crypto')
  const sha512 = createHash('sha512').update(image.bytes).digest('hex')
  t.equal(codeOf(bundle({ statement: stated => (stated['subject'] = [{ digest: { sha512 } }]) })), 'verified')
  t.equal(
    codeOf(bundle({ statement: stated => (stated['subject'] = [{ digest: { sha512: 'ab'.repeat(64) } }]) })),
    'WRONG_DIGEST',
  )
})
