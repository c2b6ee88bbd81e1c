import t from 'tap'
import { enums, readKey, revokeKey, SignaturePacket, type AnySecretKeyPacket } from 'openpgp'
import { parseGpgKeyring, type GpgKeyring } from '../../src/signatures/gpg-keyring.ts'
import { checkGpgSignature } from '../../src/signatures/gpg-signature.ts'
import { framePackets } from '../../src/signatures/openpgp-packets.ts'
import type { SignatureCheck } from '../../src/signatures/signature.ts'
import {
  DAY,
  KEY_MADE,
  makeKey,
  MINUTE,
  NOW,
  packetsOf,
  payload,
  publicBytes,
  ringOf,
  signByHand,
  SIGNED,
  signPayload,
  signWith,
  SUBJECT,
  wordsOf,
} from '../support/gpg.ts'

/** Which key made a signature, and whether that key was one to make it. */
const alice = await makeKey()
const bob = await makeKey()
const stranger = await makeKey()
const keyring = await parseGpgKeyring([publicBytes(alice), publicBytes(bob)], 'team.gpg')
const FINGERPRINT = alice.getFingerprint()
const [onePass, literal, signature] = packetsOf(await signPayload(alice))
if (!onePass || !literal || !signature) throw new Error('no packets')

function check(untrustedBytes: Uint8Array, ring: GpgKeyring = keyring, now: Date = NOW): Promise<SignatureCheck> {
  return checkGpgSignature({ untrustedBytes, keyring: ring, subject: SUBJECT, now })
}

t.test('case 78: time', async t => {
  const shortLived = await makeKey({ keyExpirationTime: (10 * DAY) / 1000 })
  const shortRing = await ringOf(shortLived)
  const whileGood = new Date(KEY_MADE.getTime() + DAY)
  const signedWhileGood = await signPayload(shortLived, payload(), { date: whileGood })
  t.equal(
    wordsOf(await check(signedWhileGood, shortRing, new Date(whileGood.getTime() + DAY))),
    'verified',
    'in its time',
  )
  t.match(wordsOf(await check(signedWhileGood, shortRing)), /UNTRUSTED_SIGNER.*expired/, 'a key that expired since')

  const late = framePackets(await signByHand(shortLived.keyPacket, payload()))
  t.match(wordsOf(await check(late, shortRing)), /UNTRUSTED_SIGNER.*expired/, 'signed after the key expired')

  const anHour = { signatureExpirationTime: 3600, signatureNeverExpires: false }
  const expiring = framePackets(await signByHand(alice.keyPacket, payload(), anHour))
  const soon = new Date(SIGNED.getTime() + 59 * MINUTE)
  t.equal(wordsOf(await check(expiring, keyring, soon)), 'verified', 'a signature before its expiry')
  const then = new Date(SIGNED.getTime() + 60 * MINUTE)
  t.match(wordsOf(await check(expiring, keyring, then)), /UNTRUSTED_SIGNER.*expired/, 'a signature at its expiry')

  const future = await signPayload(alice, payload(), { date: new Date(NOW.getTime() + DAY) })
  t.match(wordsOf(await check(future)), /in the future/, 'a signature of tomorrow')
  const before = framePackets(await signByHand(alice.keyPacket, payload(), {}, new Date(KEY_MADE.getTime() - DAY)))
  t.match(wordsOf(await check(before)), /UNTRUSTED_SIGNER/, 'a signature older than its key')
})

t.test('case 78: revocation', async t => {
  const signed = await signPayload(alice)
  for (const flag of [enums.reasonForRevocation.keyCompromised, enums.reasonForRevocation.keyRetired]) {
    const { publicKey } = await revokeKey({
      key: alice,
      reasonForRevocation: { flag },
      date: new Date(NOW.getTime() - MINUTE),
      format: 'object',
    })
    const ring = await parseGpgKeyring([publicKey.write()], 'revoked.gpg')
    t.match(wordsOf(await check(signed, ring)), /UNTRUSTED_SIGNER.*revoked/, `a revoked key, reason ${flag}`)
    for (const files of [
      [publicBytes(alice), publicKey.write()],
      [publicKey.write(), publicBytes(alice)],
    ]) {
      const merged = await parseGpgKeyring(files, 'both.gpg')
      t.strictSame(merged.fingerprints, [FINGERPRINT])
      t.match(wordsOf(await check(signed, merged)), /revoked/, 'a revocation in another file than the key')
    }
  }
})

t.test('cases 78, 79: subkeys', async t => {
  const owner = await makeKey({ subkeys: [{ sign: true }] })
  const [subkey] = owner.subkeys
  if (subkey === undefined) throw new Error('no subkey')
  const keyPacket = subkey.keyPacket as AnySecretKeyPacket
  const signed = framePackets(await signByHand(keyPacket, payload()))
  const good = await check(signed, await ringOf(owner))
  t.equal(good.verified && good.signature.fingerprint, owner.getFingerprint(), '79: the signer is the primary key')
  t.not(owner.getFingerprint(), subkey.getFingerprint())

  const brief = await makeKey({ subkeys: [{ sign: true, keyExpirationTime: (10 * DAY) / 1000 }] })
  const [briefSubkey] = brief.subkeys
  if (briefSubkey === undefined) throw new Error('no subkey')
  const inItsTime = new Date(KEY_MADE.getTime() + DAY)
  const byBrief = framePackets(await signByHand(briefSubkey.keyPacket as AnySecretKeyPacket, payload(), {}, inItsTime))
  const briefRing = await ringOf(brief)
  t.equal(wordsOf(await check(byBrief, briefRing, new Date(inItsTime.getTime() + DAY))), 'verified')
  t.match(
    wordsOf(await check(byBrief, briefRing)),
    /UNTRUSTED_SIGNER/,
    'a subkey that expired since, of a key that has not',
  )

  const revoked = await readKey({ binaryKey: publicBytes(owner) })
  const { revocationSignatures } = await subkey.revoke(owner.keyPacket, {}, SIGNED)
  Object.assign(revoked.subkeys[0] ?? {}, { revocationSignatures })
  const revokedRing = await parseGpgKeyring([revoked.write()], 'revoked-subkey.gpg')
  t.match(wordsOf(await check(signed, revokedRing)), /UNTRUSTED_SIGNER.*revoked/, 'a revoked subkey')

  const { publicKey: revokedOwner } = await revokeKey({
    key: owner,
    reasonForRevocation: { flag: enums.reasonForRevocation.keyCompromised },
    date: new Date(NOW.getTime() - MINUTE),
    format: 'object',
  })
  const revokedOwnerRing = await parseGpgKeyring([revokedOwner.write()], 'revoked.gpg')
  t.match(wordsOf(await check(signed, revokedOwnerRing)), /UNTRUSTED_SIGNER.*revoked/, 'a subkey of a revoked key')
  const mortal = await makeKey({
    keyExpirationTime: (10 * DAY) / 1000,
    subkeys: [{ sign: true, keyExpirationTime: 0 }],
  })
  const [immortalSubkey] = mortal.subkeys
  if (immortalSubkey === undefined) throw new Error('no subkey')
  const outlived = framePackets(
    await signByHand(immortalSubkey.keyPacket as AnySecretKeyPacket, payload(), {}, inItsTime),
  )
  const mortalRing = await ringOf(mortal)
  t.equal(wordsOf(await check(outlived, mortalRing, new Date(inItsTime.getTime() + DAY))), 'verified')
  t.match(wordsOf(await check(outlived, mortalRing)), /UNTRUSTED_SIGNER.*expired/, 'a subkey that outlived its key')

  const binding = new SignaturePacket()
  Object.assign(binding, {
    signatureType: enums.signature.subkeyBinding,
    publicKeyAlgorithm: owner.keyPacket.algorithm,
    hashAlgorithm: enums.hash.sha256,
    keyFlags: [enums.keyFlags.signData],
  })
  await signWith(binding, owner.keyPacket, { key: owner.keyPacket, bind: keyPacket }, KEY_MADE)
  const adopted = await readKey({ binaryKey: publicBytes(owner) })
  Object.assign(adopted.subkeys[0] ?? {}, { bindingSignatures: [binding] })
  const adoptedRing = await parseGpgKeyring([adopted.write()], 'adopted.gpg')
  t.match(wordsOf(await check(signed, adoptedRing)), /UNTRUSTED_SIGNER/, 'a subkey that does not sign back')

  const byPrimary = framePackets(await signByHand(owner.keyPacket, payload()))
  t.equal(wordsOf(await check(byPrimary, await ringOf(owner))), 'verified')
  for (const [it, keyFlags] of [
    ['a primary key that may only certify', [enums.keyFlags.certifyKeys]],
    ['a primary key that does not say what it may do', null],
  ] as const) {
    const other = await readKey({ binaryKey: publicBytes(owner) })
    const [user] = other.users
    const certification = new SignaturePacket()
    Object.assign(certification, {
      signatureType: enums.signature.certPositive,
      publicKeyAlgorithm: owner.keyPacket.algorithm,
      hashAlgorithm: enums.hash.sha256,
      keyFlags,
    })
    await signWith(certification, owner.keyPacket, { userID: user?.userID, key: owner.keyPacket }, KEY_MADE)
    Object.assign(user ?? {}, { selfCertifications: [certification] })
    const ring = await parseGpgKeyring([other.write()], 'other-flags.gpg')
    t.match(wordsOf(await check(byPrimary, ring)), /UNTRUSTED_SIGNER/, it)
    t.equal(wordsOf(await check(signed, ring)), 'verified', `${it}: its signing subkey`)
  }
})

t.test('case 80: who signed', async t => {
  t.match(
    wordsOf(await check(await signPayload(stranger))),
    new RegExp(
      `^UNTRUSTED_SIGNER: made with the key ${stranger.getKeyID().toHex().toUpperCase()}, which is not in team.gpg`,
    ),
    'an unknown key',
  )
  const body = Buffer.from(signature.body)
  const strange = Buffer.from(stranger.getFingerprint(), 'hex')
  const own = Buffer.from(FINGERPRINT, 'hex')
  t.ok(body.includes(own), 'the signature names its key')
  body.set(strange, body.indexOf(own))
  t.match(wordsOf(await check(framePackets([onePass, literal, { tag: 2, body }]))), /UNTRUSTED_SIGNER/, 'renamed')

  const liar = Object.create(alice.keyPacket, {
    getFingerprintBytes: { value: () => Buffer.concat([Buffer.alloc(12, 7), own.subarray(12)]) },
  })
  const lying = framePackets(await signByHand(liar, payload()))
  t.match(wordsOf(await check(lying)), /names another key/, 'the right key id in a fingerprint that is another')

  const bobAsAlice = Object.create(bob.keyPacket, {
    getFingerprintBytes: { value: () => own },
    getKeyID: { value: () => alice.getKeyID() },
  })
  const forged = framePackets(await signByHand(bobAsAlice, payload()))
  t.match(wordsOf(await check(forged)), /UNTRUSTED_SIGNER/, "bob's signature under alice's name")
})

t.test('case 80: a key id that two keys have', async t => {
  // 64 bits of SHA-1 can be had twice; here the impostor's are written over.
  const impostor = await readKey({ binaryKey: publicBytes(bob) })
  Object.assign(impostor.keyPacket, { keyID: alice.getKeyID() })
  const signed = await signPayload(alice)
  for (const keys of [
    [impostor, alice.toPublic()],
    [alice.toPublic(), impostor],
  ]) {
    const ring = { name: 'both.gpg', keys, fingerprints: keys.map(key => key.getFingerprint()) }
    const result = await check(signed, ring)
    t.equal(result.verified && result.signature.fingerprint, FINGERPRINT, 'whichever comes first')
  }
  const alone = { name: 'impostor.gpg', keys: [impostor], fingerprints: [impostor.getFingerprint()] }
  t.match(wordsOf(await check(signed, alone)), /UNTRUSTED_SIGNER/, 'the id alone is nothing')
})

/** RFC 9580 section 5.2.3: the second list of subpackets of a version 4 signature, which anybody can write. */
function withUnhashed(body: Uint8Array, type: number, data: Uint8Array): Buffer {
  const bytes = Buffer.from(body)
  const at = 6 + bytes.readUInt16BE(4)
  const end = at + 2 + bytes.readUInt16BE(at)
  const length = Buffer.alloc(2)
  length.writeUInt16BE(end - at - 2 + 2 + data.byteLength)
  return Buffer.concat([
    bytes.subarray(0, at),
    length,
    bytes.subarray(at + 2, end),
    Buffer.of(1 + data.byteLength, type),
    data,
    bytes.subarray(end),
  ])
}

t.test('case 80: what is said outside of what is signed', async t => {
  const ISSUER = 16
  const ISSUER_FINGERPRINT = 33
  const EXPIRES_AFTER = 3
  const MADE = 2
  const seconds = (count: number): Buffer => {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(count)
    return bytes
  }
  const idOf = (key: typeof alice): Buffer => Buffer.from(key.getKeyID().toHex(), 'hex')
  const printOf = (key: typeof alice): Buffer => Buffer.from(`04${key.getFingerprint()}`, 'hex')
  const anHour = { signatureExpirationTime: 3600, signatureNeverExpires: false }
  const [expired] = await signByHand(alice.keyPacket, payload(), anHour)
  const [early] = await signByHand(alice.keyPacket, payload(), {}, new Date(KEY_MADE.getTime() - DAY))
  const [byBob] = await signByHand(bob.keyPacket, payload())
  const [byStranger] = await signByHand(stranger.keyPacket, payload())
  if (!expired || !early || !byBob || !byStranger) throw new Error('no signatures')
  const table = [
    {
      it: 'an expiry that nobody signed',
      body: withUnhashed(signature.body, EXPIRES_AFTER, seconds(1)),
      is: FINGERPRINT,
    },
    { it: 'a longer life', body: withUnhashed(expired.body, EXPIRES_AFTER, seconds(0)), is: /expired/ },
    { it: 'a later date', body: withUnhashed(early.body, MADE, seconds(SIGNED.getTime() / 1000)), is: /UNTRUSTED/ },
    { it: "the maker's own id", body: withUnhashed(signature.body, ISSUER, idOf(alice)), is: FINGERPRINT },
    { it: "another's id", body: withUnhashed(signature.body, ISSUER, idOf(bob)), is: /UNTRUSTED/ },
    {
      it: "another's fingerprint",
      body: withUnhashed(signature.body, ISSUER_FINGERPRINT, printOf(bob)),
      is: /UNTRUSTED/,
    },
    { it: 'nobody, of eight zeros', body: withUnhashed(signature.body, ISSUER, Buffer.alloc(8)), is: /UNTRUSTED/ },
    { it: "so for a stranger's", body: withUnhashed(byStranger.body, ISSUER, Buffer.alloc(8)), is: /UNTRUSTED/ },
    { it: "bob's, as if alice's", body: withUnhashed(byBob.body, ISSUER, idOf(alice)), is: /UNTRUSTED/ },
    {
      it: "a stranger's, as if alice's",
      body: withUnhashed(withUnhashed(byStranger.body, ISSUER_FINGERPRINT, printOf(alice)), ISSUER, idOf(alice)),
      is: /UNTRUSTED/,
    },
  ]
  for (const { it, body, is } of table) {
    const result = await check(framePackets([{ tag: 2, body }, literal]))
    t.match(result.verified ? result.signature.fingerprint : wordsOf(result), is, it)
  }
})
