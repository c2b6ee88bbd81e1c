import t from 'tap'
import { createCleartextMessage, createMessage, encrypt, enums, sign, type AnySecretKeyPacket } from 'openpgp'
import { parseGpgKeyring, type GpgKeyring } from '../../src/signatures/gpg-keyring.ts'
import { checkGpgSignature } from '../../src/signatures/gpg-signature.ts'
import { framePackets } from '../../src/signatures/openpgp-packets.ts'
import type { SignatureCheck } from '../../src/signatures/signature.ts'
import {
  bytesOf,
  compressed,
  DAY,
  KEY_MADE,
  makeKey,
  NOW,
  packetsOf,
  payload,
  publicBytes,
  REFERENCE,
  ringOf,
  signByHand,
  SIGNED,
  signPayload,
  SUBJECT,
  wordsOf,
} from '../support/gpg.ts'

const alice = await makeKey()
const bob = await makeKey()
const stranger = await makeKey()
const keyring = await parseGpgKeyring([publicBytes(alice), publicBytes(bob)], 'team.gpg')
const FINGERPRINT = alice.getFingerprint()
/** Bytes of a message once it is decompressed: 1 MiB of payload, and 64 KiB around it. */
const MAX = 1024 * 1024 + 64 * 1024

function check(untrustedBytes: Uint8Array, ring: GpgKeyring = keyring, now: Date = NOW): Promise<SignatureCheck> {
  return checkGpgSignature({ untrustedBytes, keyring: ring, subject: SUBJECT, now })
}

t.test('a signature counts until the key that made it ends', async t => {
  const mortal = await makeKey({ keyExpirationTime: (200 * DAY) / 1000 })
  const ring = await ringOf(mortal)
  const signed = await signPayload(mortal)
  const result = await check(signed, ring)
  t.same(result.verified && result.signature.goodUntil, new Date(KEY_MADE.getTime() + 200 * DAY))
  t.notOk((await check(signed, ring, new Date(KEY_MADE.getTime() + 200 * DAY + 1000))).verified)
})

t.test('a good signature verifies, and says by whom and for which name', async t => {
  const result = await check(await signPayload(alice))
  t.strictSame(result, {
    verified: true,
    signature: {
      digest: SUBJECT.digest,
      claim: { kind: 'reference', reference: REFERENCE },
      signer: FINGERPRINT.toUpperCase(),
      fingerprint: FINGERPRINT,
      loggedAt: undefined,
    },
  })
})

t.test('every key of the keyring will do', async t => {
  const result = await check(await signPayload(bob))
  t.equal(result.verified && result.signature.fingerprint, bob.getFingerprint())
})

t.test('case 226: what GnuPG makes by default is taken: compressed once, lengths in parts', async t => {
  const plain = await signPayload(alice)
  t.equal(wordsOf(await check(compressed(plain, 1))), 'verified', 'ZIP')
  t.equal(wordsOf(await check(compressed(plain, 2))), 'verified', 'ZLIB')
  const toTheEnd = Buffer.concat([Buffer.from([0xa3]), packetsOf(compressed(plain))[0]?.body ?? Buffer.alloc(0)])
  t.equal(wordsOf(await check(toTheEnd)), 'verified', 'of indeterminate length')
  const large = { ...payload(), optional: { note: 'x'.repeat(2000) } }
  const [onePass, literal, signature] = packetsOf(await signPayload(alice, large))
  if (!onePass || !literal || !signature) throw new Error('not three packets')
  const inParts = Buffer.concat([
    framePackets([onePass]),
    Buffer.from([0xc0 | 11, 224 + 10]),
    literal.body.subarray(0, 1024),
    Buffer.from([0xff, 0, 0, 0, 0]).fill(0, 1),
  ])
  inParts.writeUInt32BE(literal.body.byteLength - 1024, inParts.byteLength - 4)
  const whole = Buffer.concat([inParts, literal.body.subarray(1024), framePackets([signature])])
  t.equal(wordsOf(await check(whole)), 'verified', 'a literal in two parts')
})

t.test('the older form is taken: signature, then literal', async t => {
  t.equal(wordsOf(await check(framePackets(await signByHand(alice.keyPacket, payload())))), 'verified')
})

t.test('version 6 keys and signatures are taken', async t => {
  const key = await makeKey({ type: 'curve25519', config: { v6Keys: true } })
  t.equal(wordsOf(await check(await signPayload(key), await ringOf(key))), 'verified')
})

const [onePass, literal, signature] = packetsOf(await signPayload(alice))
const [bobsOnePass, , bobsSignature] = packetsOf(await signPayload(bob))
const [, strangeLiteral] = packetsOf(await signPayload(stranger, { ...payload(), optional: { stranger: true } }))
if (!onePass || !literal || !signature || !bobsOnePass || !bobsSignature || !strangeLiteral)
  throw new Error('no packets')
const plain = framePackets([onePass, literal, signature])
const marker = { tag: 10, body: Buffer.from('PGP') }
const padding = { tag: 21, body: Buffer.alloc(16) }
const userId = { tag: 13, body: Buffer.from('alice') }
const message = await createMessage({ binary: bytesOf(payload()) })
const encryptedToAlice = await encrypt({
  message,
  encryptionKeys: alice.toPublic(),
  signingKeys: alice,
  format: 'binary',
  date: SIGNED,
})
const cleartext = await sign({
  message: await createCleartextMessage({ text: JSON.stringify(payload()) }),
  signingKeys: alice,
  date: SIGNED,
})
const armored = await sign({ message, signingKeys: alice, date: SIGNED })
const text = await sign({
  message: await createMessage({ text: JSON.stringify(payload()) }),
  signingKeys: alice,
  format: 'binary',
  date: SIGNED,
})

function changed(bytes: Uint8Array, at: number, value: number): Uint8Array {
  const copy = Buffer.from(bytes)
  copy.writeUInt8(value, at)
  return copy
}

t.test('cases 73 to 77, 81, 226: what a signature may be made of', async t => {
  const table = [
    { it: '73: a literal alone', bytes: framePackets([literal]), says: /without a signature/ },
    { it: '73: a compressed literal', bytes: compressed(framePackets([literal])), says: /without a signature/ },
    {
      it: '73, 81: a signature of version 3, which openpgp.js passes over',
      bytes: framePackets([{ ...signature, body: changed(signature.body, 0, 3) }, literal]),
      says: /version 3; 4 and 6 are taken/,
    },
    {
      it: '73: a signature that is not over a document',
      bytes: framePackets([{ ...signature, body: changed(signature.body, 1, 0x10) }, literal]),
      says: /type 16/,
    },
    {
      it: '73: a one-pass signature without its signature',
      bytes: framePackets([onePass, literal]),
      says: /without a/,
    },
    {
      it: '74: another literal under the signature',
      bytes: framePackets([onePass, strangeLiteral, signature]),
      says: /UNTRUSTED_SIGNER.*digest did not match/,
    },
    {
      it: '74: another literal before',
      bytes: framePackets([strangeLiteral, onePass, literal, signature]),
      says: /packets 11, 4, 11, 2/,
    },
    {
      it: '74: another literal behind',
      bytes: framePackets([onePass, literal, signature, strangeLiteral]),
      says: /packets 4, 11, 2, 11/,
    },
    { it: '75: a cleartext signature', bytes: Buffer.from(cleartext), says: /cleartext/ },
    {
      it: '75: a cleartext signature with a header that is no hash',
      bytes: Buffer.from(cleartext.replace(/^Hash: .*$/m, JSON.stringify(payload()))),
      says: /cleartext/,
    },
    { it: '75: ASCII armor', bytes: Buffer.from(armored), says: /ASCII armor/ },
    {
      it: '76: two signatures, nested',
      bytes: framePackets([onePass, bobsOnePass, literal, bobsSignature, signature]),
      says: /holds 2 signatures; exactly one/,
    },
    {
      it: '76: two signed messages, the first by a trusted key over other data',
      bytes: framePackets([onePass, literal, signature, bobsOnePass, strangeLiteral, bobsSignature]),
      says: /holds 2 signatures/,
    },
    { it: '77: encrypted', bytes: encryptedToAlice, says: /is encrypted/ },
    { it: '77: compressed twice', bytes: compressed(compressed(plain)), says: /compressed twice/ },
    {
      it: '77: compressed in part',
      bytes: framePackets([onePass, ...packetsOf(compressed(framePackets([literal]))), signature]),
      says: /compressed twice, or in part/,
    },
    { it: '77: bzip2', bytes: compressed(plain, 3), says: /bzip2/ },
    { it: '77: compressed with nothing', bytes: compressed(plain, 0), says: /unknown way/ },
    {
      it: '77: broken compression',
      bytes: framePackets([{ tag: 8, body: Buffer.from([1, 0xff, 0xff, 0xff]) }]),
      says: /cannot be decompressed/,
    },
    {
      it: '77: a bomb',
      bytes: compressed(Buffer.alloc(64 * 1024 * 1024)),
      says: /more than \d+ bytes once decompressed/,
    },
    { it: '226: as much as may come of it', bytes: compressed(Buffer.alloc(MAX)), says: /holds no OpenPGP message/ },
    {
      it: '226: and a byte more',
      bytes: compressed(Buffer.alloc(MAX + 1)),
      says: /more than \d+ bytes once decompressed/,
    },
    {
      it: '77: a marker packet',
      bytes: framePackets([marker, onePass, literal, signature]),
      says: /packets 10, 4, 11, 2/,
    },
    {
      it: '77: a marker inside the compression',
      bytes: compressed(framePackets([onePass, marker, literal, signature])),
      says: /packets 4, 10/,
    },
    {
      it: '77: a padding packet',
      bytes: framePackets([onePass, literal, signature, padding]),
      says: /packets 4, 11, 2, 21/,
    },
    {
      it: '77: a packet of a key',
      bytes: framePackets([onePass, literal, userId, signature]),
      says: /packets 4, 11, 13, 2/,
    },
    { it: 'a signature over text', bytes: text, says: /type 1; only those over bytes/ },
    {
      it: 'a one-pass packet that announces another hash',
      bytes: framePackets([{ ...onePass, body: changed(onePass.body, 2, 2) }, literal, signature]),
      says: /announces another/,
    },
    { it: 'no bytes', bytes: Buffer.alloc(0), says: /not an OpenPGP message/ },
    { it: 'text', bytes: Buffer.from('<html>not found</html>'), says: /not an OpenPGP message/ },
    { it: 'cut off', bytes: plain.subarray(0, plain.byteLength - 1), says: /not an OpenPGP message/ },
    { it: 'with trailing bytes', bytes: Buffer.concat([plain, Buffer.from('\n')]), says: /not an OpenPGP message/ },
    {
      it: 'a great many packets',
      bytes: framePackets(Array.from({ length: 10_000 }, () => marker)),
      says: /not an OpenPGP message/,
    },
  ]
  for (const row of table) {
    const words = wordsOf(await check(row.bytes))
    t.match(words, row.says, row.it)
    t.match(words, /^(?:MALFORMED|UNTRUSTED_SIGNER): /, row.it)
  }
})

t.test('one changed bit in the payload or the signature is enough to refuse', async t => {
  // Not signed, and not used: the one-pass packet's key id, the literal's file name and date.
  const signedPart = plain.byteLength - signature.body.byteLength - 6 - JSON.stringify(payload()).length
  for (let at = signedPart; at < plain.byteLength; at += 7) {
    const result = await check(changed(plain, at, (plain[at] ?? 0) ^ 0x04))
    t.notOk(result.verified, `bit of byte ${at}`)
  }
})

t.test('case 82: weak hashes', async t => {
  const rsa = await makeKey({ type: 'rsa', rsaBits: 2048 })
  const ring = await ringOf(rsa)
  for (const [name, hashAlgorithm, ok] of [
    ['SHA-256', enums.hash.sha256, true],
    ['SHA-512', enums.hash.sha512, true],
    ['SHA-1', enums.hash.sha1, false],
    ['RIPEMD-160', enums.hash.ripemd, false],
    ['MD5', enums.hash.md5, false],
  ] as const) {
    const signed = framePackets(await signByHand(rsa.keyPacket, payload(), { hashAlgorithm }))
    const words = wordsOf(await check(signed, ring))
    if (ok) t.equal(words, 'verified', name)
    else t.match(words, /UNTRUSTED_SIGNER.*[Ii]nsecure/, name)
  }
})

t.test('case 82: a weak subkey signs nothing, under however strong a primary key', async t => {
  for (const [rsaBits, says] of [
    [2048, /^verified$/],
    [1024, /^UNTRUSTED_SIGNER: .*shorter than 2047 bits/],
  ] as const) {
    const subkeys = [{ sign: true, type: 'rsa', rsaBits }] as const
    const owner = await makeKey({ subkeys: [...subkeys], config: { minRSABits: rsaBits } })
    const [weak] = owner.subkeys
    if (weak === undefined) throw new Error('no subkey')
    const signed = framePackets(await signByHand(weak.keyPacket as AnySecretKeyPacket, payload()))
    t.match(wordsOf(await check(signed, await ringOf(owner))), says, `RSA of ${rsaBits} bits`)
  }
})

t.test('cases 35, 87: what a trusted key signed must be a payload', async t => {
  const { critical } = payload()
  const table: readonly { it: string; signed: unknown; says: RegExp | 'verified' }[] = [
    { it: 'more in optional', signed: { ...payload(), optional: { anything: [1, null] } }, says: 'verified' },
    { it: 'nothing in optional', signed: { ...payload(), optional: {} }, says: 'verified' },
    { it: 'not JSON', signed: 'This is not JSON\n', says: /MALFORMED/ },
    { it: 'no object', signed: [], says: /MALFORMED/ },
    { it: 'no optional', signed: { critical }, says: /MALFORMED.*optional/ },
    { it: 'no critical', signed: { optional: {} }, says: /MALFORMED.*critical/ },
    { it: 'a third key', signed: { ...payload(), unexpected: 1 }, says: /MALFORMED.*unexpected/ },
    { it: 'optional null', signed: { ...payload(), optional: null }, says: /MALFORMED/ },
    { it: 'creator no string', signed: { ...payload(), optional: { creator: 1 } }, says: /MALFORMED/ },
    { it: 'timestamp a string', signed: { ...payload(), optional: { timestamp: '1' } }, says: /MALFORMED/ },
    { it: 'timestamp with a fraction', signed: { ...payload(), optional: { timestamp: 0.5 } }, says: /MALFORMED/ },
    {
      it: "cosign's type",
      signed: { ...payload(), critical: { ...critical, type: 'cosign container image signature' } },
      says: /MALFORMED.*type/,
    },
    {
      it: 'no type',
      signed: { ...payload(), critical: { image: critical.image, identity: critical.identity } },
      says: /MALFORMED/,
    },
    { it: 'more in critical', signed: { ...payload(), critical: { ...critical, more: 1 } }, says: /MALFORMED/ },
    {
      it: 'more in image',
      signed: { ...payload(), critical: { ...critical, image: { 'docker-manifest-digest': SUBJECT.digest, a: 1 } } },
      says: /MALFORMED/,
    },
    {
      it: 'more in identity',
      signed: { ...payload(), critical: { ...critical, identity: { 'docker-reference': REFERENCE, a: 1 } } },
      says: /MALFORMED/,
    },
    {
      it: 'a digest that is none',
      signed: { ...payload(), critical: { ...critical, image: { 'docker-manifest-digest': 'sha256:../..' } } },
      says: /MALFORMED/,
    },
    {
      it: 'a reference that is no string',
      signed: { ...payload(), critical: { ...critical, identity: { 'docker-reference': 1 } } },
      says: /MALFORMED/,
    },
    {
      it: 'a key twice',
      signed: JSON.stringify(payload()).replace('"critical"', '"optional":{},"critical"'),
      says: /MALFORMED.*repeated/,
    },
    { it: 'a byte order mark', signed: `\uFEFF${JSON.stringify(payload())}`, says: /MALFORMED/ },
    {
      it: 'another digest',
      signed: {
        ...payload(),
        critical: { ...critical, image: { 'docker-manifest-digest': `sha256:${'0'.repeat(64)}` } },
      },
      says: /WRONG_DIGEST.*but about sha256:000/,
    },
  ]
  for (const row of table) {
    const words = wordsOf(await check(await signPayload(alice, row.signed)))
    if (row.says === 'verified') t.equal(words, 'verified', row.it)
    else t.match(words, row.says, row.it)
  }
  t.match(
    wordsOf(await check(await signPayload(stranger, 'This is not JSON'))),
    /UNTRUSTED/,
    'judged after the signature',
  )
})

t.test('case 87: a payload has a size', async t => {
  const fits = { ...payload(), optional: { note: 'x'.repeat(1024 * 1024 - 1000) } }
  t.equal(wordsOf(await check(compressed(await signPayload(alice, fits)))), 'verified')
  const large = { ...payload(), optional: { note: 'x'.repeat(1024 * 1024) } }
  t.match(wordsOf(await check(await signPayload(alice, large))), /MALFORMED/)
})
