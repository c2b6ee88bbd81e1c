import t from 'tap'
import { parseGpgKeyring } from '../../src/signatures/gpg-keyring.ts'
import { TrustMaterialError, type TrustMaterialErrorCode } from '../../src/signatures/trust-material-error.ts'
import { framePackets } from '../../src/signatures/openpgp-packets.ts'
import { makeKey, packetsOf, publicBytes } from '../support/gpg.ts'

const alice = await makeKey()
const bob = await makeKey()
const armored = alice.toPublic().armor()

t.test('case 83: all keys of all files are trusted, however they are written', async t => {
  const both = [alice.getFingerprint(), bob.getFingerprint()]
  const [alices, bobs] = [publicBytes(alice), publicBytes(bob)]
  const table = [
    { it: 'binary', blobs: [publicBytes(alice, bob)], keys: both },
    { it: 'two binary files', blobs: [alices, bobs], keys: both },
    { it: 'armored', blobs: [Buffer.from(armored)], keys: [both[0]] },
    { it: 'two armored blocks', blobs: [Buffer.from(armored + bob.toPublic().armor())], keys: both },
    { it: 'armored and binary files', blobs: [Buffer.from(armored), bobs], keys: both },
    {
      it: 'text around the block, as in release keys',
      blobs: [Buffer.from(`pub 4096R/FD431D51\n\n${armored}\nbye\n`)],
      keys: [both[0]],
    },
    { it: 'CRLF', blobs: [Buffer.from(armored.replace(/\r?\n/g, '\r\n'))], keys: [both[0]] },
    { it: 'one key twice', blobs: [alices, alices], keys: [both[0]] },
    { it: 'an empty file beside a key', blobs: [Buffer.alloc(0), alices], keys: [both[0]] },
  ]
  for (const row of table) {
    const keyring = await parseGpgKeyring(row.blobs, 'team.gpg')
    t.strictSame(keyring.fingerprints, row.keys, row.it)
    t.equal(keyring.keys.length, row.keys.length, row.it)
    t.equal(keyring.name, 'team.gpg')
  }
})

t.test('case 83: what is no keyring stops the load', async t => {
  const [primary, ...others] = packetsOf(publicBytes(alice))
  if (primary === undefined) throw new Error('no packets')
  const unknownVersion = Buffer.from(primary.body).fill(9, 0, 1)
  const table: readonly { it: string; blobs: readonly Uint8Array[]; code: TrustMaterialErrorCode; says?: RegExp }[] = [
    { it: 'no file', blobs: [], code: 'EMPTY' },
    { it: 'an empty file', blobs: [Buffer.alloc(0)], code: 'EMPTY', says: /^team.gpg holds no OpenPGP public key$/ },
    { it: 'white space', blobs: [Buffer.from(' \n')], code: 'EMPTY' },
    { it: 'packets without a key', blobs: [framePackets(others)], code: 'EMPTY' },
    { it: 'text', blobs: [Buffer.from('-----BEGIN PUBLIC KEY-----\n')], code: 'MALFORMED' },
    {
      it: 'an armored message',
      blobs: [Buffer.from('-----BEGIN PGP MESSAGE-----\n\n-----END PGP MESSAGE-----\n')],
      code: 'MALFORMED',
    },
    { it: 'half a block', blobs: [Buffer.from(armored.slice(0, -40))], code: 'MALFORMED' },
    { it: 'a block inside a block', blobs: [Buffer.from(armored.slice(0, -40) + armored)], code: 'MALFORMED' },
    { it: 'broken base64', blobs: [Buffer.from(armored.replace(/\n\n..../, '\n\n????'))], code: 'MALFORMED' },
    { it: 'half a binary key', blobs: [publicBytes(alice).subarray(0, 60)], code: 'MALFORMED' },
    { it: 'binary, then armor', blobs: [Buffer.concat([publicBytes(alice), Buffer.from(armored)])], code: 'MALFORMED' },
    { it: 'a private key', blobs: [alice.write()], code: 'PRIVATE_KEY', says: /holds a private key; only the public/ },
    { it: 'an armored private key', blobs: [Buffer.from(alice.armor())], code: 'PRIVATE_KEY' },
    { it: 'a private key behind a public one', blobs: [publicBytes(bob), alice.write()], code: 'PRIVATE_KEY' },
    { it: 'both blocks in a file', blobs: [Buffer.from(armored + bob.armor())], code: 'PRIVATE_KEY' },
    {
      it: 'a private subkey under a public key',
      blobs: [framePackets([primary, ...packetsOf(alice.write()).slice(1)])],
      code: 'PRIVATE_KEY',
    },
    {
      it: 'a key of an unknown version beside a good one',
      blobs: [Buffer.concat([publicBytes(bob), framePackets([{ tag: 6, body: unknownVersion }])])],
      code: 'UNSUPPORTED',
      says: /holds 1 of 2 keys of an unsupported kind/,
    },
  ]
  for (const row of table) {
    const error = await parseGpgKeyring(row.blobs, 'team.gpg').then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    t.type(error, TrustMaterialError, row.it)
    if (!(error instanceof TrustMaterialError)) continue
    t.equal(error.code, row.code, row.it)
    t.match(error.message, row.says ?? /^team\.gpg /, row.it)
  }
})

t.test('case 82: weak keys stop the load', async t => {
  const rsa1024 = await makeKey({ type: 'rsa', rsaBits: 1024, config: { minRSABits: 1024 } })
  await t.rejects(parseGpgKeyring([publicBytes(rsa1024)], 'weak.gpg'), {
    code: 'WEAK',
    message: /RSA key of 102[34] bits/,
  })
  // A DSA key as it stands in a file: version 4, algorithm 17, the numbers p, q, g and y.
  const dsa = Buffer.concat([
    Buffer.from([4, 0x50, 0, 0, 0, 17]),
    number(1024),
    number(160),
    number(1024),
    number(1024),
  ])
  await t.rejects(parseGpgKeyring([framePackets([{ tag: 6, body: dsa }])], 'weak.gpg'), {
    code: 'WEAK',
    message: /DSA/,
  })
  const point = Buffer.concat([Buffer.from([0x02, 0x03, 0x04]), Buffer.alloc(64, 1)])
  const koblitz = Buffer.concat([Buffer.from('045000000013052b8104000a', 'hex'), point])
  const brainpool = Buffer.concat([Buffer.from('045000000013092b2403030208010107', 'hex'), point])
  await t.rejects(parseGpgKeyring([framePackets([{ tag: 6, body: brainpool }])], 'brainpool.gpg'), {
    code: 'UNSUPPORTED',
    message: /brainpoolP256r1/,
  })
  await t.rejects(parseGpgKeyring([framePackets([{ tag: 6, body: koblitz }])], 'weak.gpg'), {
    code: 'WEAK',
    message: /secp256k1/,
  })
  const rsa2048 = await makeKey({ type: 'rsa', rsaBits: 2048 })
  t.equal((await parseGpgKeyring([publicBytes(rsa2048)], 'strong.gpg')).keys.length, 1)
  for (const curve of ['nistP256', 'nistP384', 'nistP521'] as const) {
    t.equal((await parseGpgKeyring([publicBytes(await makeKey({ curve }))], 'strong.gpg')).keys.length, 1, curve)
  }
})

/** A multiprecision integer of that many bits. RFC 9580 section 3.2. */
function number(bits: number): Buffer {
  const bytes = Buffer.alloc(2 + bits / 8, 0xff)
  bytes.writeUInt16BE(bits, 0)
  return bytes
}
