import {
  constants,
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  type KeyObject,
} from 'node:crypto'
import { ed25519ph } from '@noble/curves/ed25519.js'
import t from 'tap'
import { mirroredSignature } from '../support/ecdsa.ts'
import { issue, pem as pemOfCertificate } from '../support/x509.ts'
import { KeyError, parsePublicKeyPem, trustedKeyOf, verifyWithKey } from '../../src/signatures/public-key.ts'

const data = Buffer.from('the payload')
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' })
const p521 = generateKeyPairSync('ec', { namedCurve: 'P-521' })
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ed25519 = generateKeyPairSync('ed25519')
const pem = (key: KeyObject): string => key.export({ type: 'spki', format: 'pem' })
const parse = (text: string) => parsePublicKeyPem(Buffer.from(text), 'cosign.pub')

/** Node has no Ed25519ph; the raw private key is the end of its PKCS #8 form. */
function signEd25519ph(key: KeyObject, message: Uint8Array): Uint8Array {
  const pkcs8 = key.export({ type: 'pkcs8', format: 'der' })
  return ed25519ph.sign(message, pkcs8.subarray(pkcs8.length - 32))
}

t.test('what each kind of key verifies: the ways some cosign signs, and no others (cases 45 to 47)', async t => {
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }
  const longSalt = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_MAX_SIGN }
  const table: readonly { it: string; key: KeyObject; signature: Uint8Array; verifies: boolean }[] = [
    { it: 'P-256 with SHA-256', key: p256.publicKey, signature: sign('sha256', data, p256.privateKey), verifies: true },
    {
      it: 'P-256 with SHA-384',
      key: p256.publicKey,
      signature: sign('sha384', data, p256.privateKey),
      verifies: false,
    },
    { it: 'P-256 with SHA-1', key: p256.publicKey, signature: sign('sha1', data, p256.privateKey), verifies: false },
    { it: 'P-384 with SHA-384', key: p384.publicKey, signature: sign('sha384', data, p384.privateKey), verifies: true },
    { it: 'P-384 with SHA-256', key: p384.publicKey, signature: sign('sha256', data, p384.privateKey), verifies: true },
    {
      it: 'P-384 with SHA-512',
      key: p384.publicKey,
      signature: sign('sha512', data, p384.privateKey),
      verifies: false,
    },
    { it: 'P-521 with SHA-512', key: p521.publicKey, signature: sign('sha512', data, p521.privateKey), verifies: true },
    { it: 'P-521 with SHA-256', key: p521.publicKey, signature: sign('sha256', data, p521.privateKey), verifies: true },
    {
      it: 'P-521 with SHA-384',
      key: p521.publicKey,
      signature: sign('sha384', data, p521.privateKey),
      verifies: false,
    },
    {
      it: 'RSA PKCS #1 v1.5 with SHA-256',
      key: rsa.publicKey,
      signature: sign('sha256', data, rsa.privateKey),
      verifies: true,
    },
    {
      it: 'RSA PKCS #1 v1.5 with SHA-1',
      key: rsa.publicKey,
      signature: sign('sha1', data, rsa.privateKey),
      verifies: false,
    },
    {
      it: 'RSA PSS',
      key: rsa.publicKey,
      signature: sign('sha256', data, { key: rsa.privateKey, ...pss }),
      verifies: true,
    },
    {
      it: 'RSA PSS, long salt',
      key: rsa.publicKey,
      signature: sign('sha256', data, { key: rsa.privateKey, ...longSalt }),
      verifies: true,
    },
    {
      it: 'RSA PSS with SHA-1',
      key: rsa.publicKey,
      signature: sign('sha1', data, { key: rsa.privateKey, ...pss }),
      verifies: false,
    },
    { it: 'Ed25519', key: ed25519.publicKey, signature: sign(null, data, ed25519.privateKey), verifies: true },
    {
      it: 'Ed25519ph, as cosign 2.6 signs',
      key: ed25519.publicKey,
      signature: signEd25519ph(ed25519.privateKey, data),
      verifies: true,
    },
    {
      it: 'Ed25519 over the hash',
      key: ed25519.publicKey,
      signature: sign(null, createHash('sha512').update(data).digest(), ed25519.privateKey),
      verifies: false,
    },
  ]
  for (const { it, key, signature, verifies } of table) {
    const trusted = trustedKeyOf(key, 'key')
    t.equal(verifyWithKey(trusted, data, signature), verifies, it)
    t.equal(verifyWithKey(trusted, Buffer.from('other'), signature), false, `${it}: other data`)
  }
})

t.test('case 45: no kind of key takes any other hash', async t => {
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
  const table = [
    { it: 'P-256', pair: p256, takes: ['sha256'] },
    { it: 'P-384', pair: p384, takes: ['sha256', 'sha384'] },
    { it: 'P-521', pair: p521, takes: ['sha256', 'sha512'] },
    { it: 'RSA PKCS #1 v1.5', pair: rsa, takes: ['sha256'] },
    { it: 'RSA PSS', pair: rsa, takes: ['sha256'], options: pss },
  ]
  for (const { it, pair, takes, options } of table) {
    const trusted = trustedKeyOf(pair.publicKey, 'key')
    for (const hash of ['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512', 'sha512-256', 'sha3-256']) {
      const signature = sign(hash, data, { key: pair.privateKey, ...options })
      t.equal(verifyWithKey(trusted, data, signature), takes.includes(hash), `${it} with ${hash}`)
    }
  }
})

t.test('case 43: s and n - s are one signature', async t => {
  const trusted = trustedKeyOf(p256.publicKey, 'key')
  const signature = sign('sha256', data, p256.privateKey)
  const mirrored = mirroredSignature(signature)
  t.notOk(mirrored.equals(signature))
  t.equal(verifyWithKey(trusted, data, mirrored), true)
})

t.test('case 44: lax encodings of a signature are none', async t => {
  const trusted = trustedKeyOf(p256.publicKey, 'key')
  const good = sign('sha256', data, p256.privateKey)
  const p1363 = sign('sha256', data, { key: p256.privateKey, dsaEncoding: 'ieee-p1363' })
  const table: { readonly it: string; readonly signature: Uint8Array }[] = [
    { it: 'empty', signature: Buffer.alloc(0) },
    { it: 'a byte too many', signature: Buffer.concat([good, Buffer.of(0)]) },
    { it: 'twice', signature: Buffer.concat([good, good]) },
    { it: 'IEEE P1363', signature: p1363 },
    { it: 'zeroes', signature: Buffer.from('3006020100020100', 'hex') },
    { it: 'cut', signature: good.subarray(0, -1) },
  ]
  const [r, s] = [p1363.subarray(0, 32), p1363.subarray(32)]
  t.equal(verifyWithKey(trusted, data, derOf(integer(r), integer(s))), true, 'the same numbers as DER has them')
  const nPlusS = Buffer.from((BigInt(`0x${s.toString('hex')}`) + P256_ORDER).toString(16).padStart(66, '0'), 'hex')
  const asDer = derOf(integer(r), integer(s))
  table.push(
    { it: 'a number with a zero too many', signature: derOf(content(Buffer.concat([Buffer.of(0, 0), r])), integer(s)) },
    { it: 'a length in two bytes', signature: Buffer.concat([Buffer.of(0x30, 0x81), asDer.subarray(1)]) },
    {
      it: 'an indefinite length',
      signature: Buffer.concat([Buffer.of(0x30, 0x80), asDer.subarray(2), Buffer.of(0, 0)]),
    },
    { it: 's beyond the order of the curve', signature: derOf(integer(r), integer(nPlusS)) },
    { it: 'a negative number', signature: derOf(Buffer.of(2, 1, 0xff), integer(s)) },
  )
  t.equal(verifyWithKey(trusted, data, good), true)
  for (const { it, signature } of table) t.equal(verifyWithKey(trusted, data, signature), false, it)
  const edwards = trustedKeyOf(ed25519.publicKey, 'key')
  for (const length of [0, 1, 63, 65, 1000])
    t.equal(verifyWithKey(edwards, data, Buffer.alloc(length)), false, `Ed25519, ${length} bytes`)
})

t.test('cases 46, 47: an Ed25519 key of small order, to which one signature would be good for all data', async t => {
  const point = Buffer.alloc(32)
  point[0] = 1 // the neutral element: whatever it is multiplied by, R and S below solve the equation
  const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), point])
  const trusted = trustedKeyOf(createPublicKey({ key: spki, format: 'der', type: 'spki' }), 'key')
  const signature = Buffer.concat([point, Buffer.alloc(32)])
  t.equal(verifyWithKey(trusted, data, signature), false)
  t.equal(ed25519ph.verify(signature, data, point, { zip215: true }), true, 'a lax reader takes it')
})

t.test('kinds and strengths that are not taken are refused when the key is loaded (case 47)', async t => {
  const table = [
    { it: 'RSA 512', key: rsaOf(512) },
    { it: 'RSA 2047', key: rsaOf(2047) },
    { it: 'RSA 8193, which takes long to verify with', key: rsaOf(8193) },
    { it: 'RSA for PSS alone', key: generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).publicKey },
    { it: 'P-224', key: generateKeyPairSync('ec', { namedCurve: 'secp224r1' }).publicKey },
    { it: 'brainpoolP256r1', key: generateKeyPairSync('ec', { namedCurve: 'brainpoolP256r1' }).publicKey },
    { it: 'P-256 with a base point of its own', key: otherBasePoint() },
    { it: 'RSA 1024', key: generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey },
    {
      it: 'RSA with exponent 3',
      key: generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }).publicKey,
    },
    { it: 'secp256k1', key: generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey },
    { it: 'P-192', key: generateKeyPairSync('ec', { namedCurve: 'prime192v1' }).publicKey },
    { it: 'DSA', key: generateKeyPairSync('dsa', { modulusLength: 2048, divisorLength: 256 }).publicKey },
    { it: 'Ed448', key: generateKeyPairSync('ed448').publicKey },
    { it: 'X25519', key: generateKeyPairSync('x25519').publicKey },
  ]
  for (const { it, key } of table) t.throws(() => parse(pem(key)), { name: 'KeyError', code: 'UNSUPPORTED_KEY' }, it)
  for (const bits of [2048, 8192]) t.equal(parse(pem(rsaOf(bits))).algorithm, 'rsa', `RSA ${bits}`)
})

t.test('a key file is one public key and nothing else (cases 48, 188)', async t => {
  const good = pem(p256.publicKey)
  const privatePem = p256.privateKey.export({ type: 'pkcs8', format: 'pem' })
  const table = [
    { it: 'empty', text: '', code: 'NOT_A_PUBLIC_KEY' },
    { it: 'text', text: 'hello', code: 'NOT_A_PUBLIC_KEY' },
    { it: 'two keys', text: good + good, code: 'NOT_A_PUBLIC_KEY' },
    { it: 'text before it', text: `# key\n${good}`, code: 'NOT_A_PUBLIC_KEY' },
    { it: 'text after it', text: `${good}x`, code: 'NOT_A_PUBLIC_KEY' },
    { it: 'a private key', text: privatePem, code: 'PRIVATE_KEY' },
    { it: 'a private key beside it', text: good + privatePem, code: 'PRIVATE_KEY' },
    {
      it: 'the private key of cosign',
      // Put together here: no file of ours has such a line.
      text: pemOf(Buffer.alloc(3), ['ENCRYPTED SIGSTORE', 'PRIVATE', 'KEY'].join(' ')),
      code: 'PRIVATE_KEY',
    },
    {
      it: 'a private key under the name of a public one',
      text: pemOf(p256.privateKey.export({ type: 'pkcs8', format: 'der' })),
      code: 'NOT_A_PUBLIC_KEY',
    },
    { it: 'a key without PEM', text: p256.publicKey.export({ type: 'spki', format: 'der' }).toString('latin1') },
    {
      it: 'an RSA key as PKCS #1',
      text: rsa.publicKey.export({ type: 'pkcs1', format: 'pem' }),
    },
    { it: 'a signature', text: sign('sha256', data, p256.privateKey).toString('base64') },
    { it: 'a real certificate', text: pemOfCertificate(issue({})) },
    { it: 'base64 that is not canonical', text: good.replace('=', '') },
    { it: 'a certificate', text: good.replaceAll('PUBLIC KEY', 'CERTIFICATE'), code: 'NOT_A_PUBLIC_KEY' },
    { it: 'half a key', text: good.replace(/\n[^\n]+\n-----END/, '\n-----END'), code: 'NOT_A_PUBLIC_KEY' },
    {
      it: 'trailing bytes inside',
      text: pemOf(Buffer.concat([p256.publicKey.export({ type: 'spki', format: 'der' }), Buffer.of(0)])),
      code: 'NOT_A_PUBLIC_KEY',
    },
    { it: 'too large', text: good + ' '.repeat(70_000), code: 'NOT_A_PUBLIC_KEY' },
    { it: 'base64 of it', text: Buffer.from(good).toString('base64'), code: 'NOT_A_PUBLIC_KEY' },
  ]
  for (const { it, text, code = 'NOT_A_PUBLIC_KEY' } of table) {
    t.throws(() => parse(text), { code }, it)
    try {
      parse(text)
    } catch (error) {
      const quoted = text
        .split('\n')
        .filter(line => line.length > 10 && error instanceof KeyError && error.message.includes(line))
      t.ok(error instanceof KeyError, it)
      t.same(quoted, [], `${it}: nothing of the key is quoted`)
    }
  }
  t.equal(parse(good).algorithm, 'ecdsa-p256')
  t.equal(parse(good.replaceAll('\n', '\r\n')).fingerprint, parse(good).fingerprint, 'CRLF is no other key')
  t.equal(createPrivateKey(privatePem).type, 'private', 'the private key of this table is a real one')
})

/** A public key of so many bits. It has no private key: a number is not made prime for it. */
function rsaOf(bits: number): KeyObject {
  const n = Buffer.alloc(Math.ceil(bits / 8), 0xff)
  n[0] = 0xff >> (n.length * 8 - bits)
  return createPublicKey({ key: { kty: 'RSA', n: n.toString('base64url'), e: 'AQAB' }, format: 'jwk' })
}

/** A key that names no curve but brings all its numbers, P-256's but for one (CVE-2020-0601). */
function otherBasePoint(): KeyObject {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256', paramEncoding: 'explicit' })
  const der = publicKey.export({ type: 'spki', format: 'der' })
  const point = der.subarray(-65)
  point.copy(der, der.indexOf(P256_BASE_POINT))
  return createPublicKey({ key: der, format: 'der', type: 'spki' })
}

/** FIPS 186-5, NIST SP 800-186 section 3.2.1.3. */
const P256_BASE_POINT = Buffer.from('046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296', 'hex')
const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

/** An ECDSA signature (RFC 3279 section 2.2.3) of two INTEGERs, with a length in one byte. */
function derOf(...integers: readonly Buffer[]): Buffer {
  const body = Buffer.concat(integers)
  return Buffer.concat([Buffer.of(0x30, body.length), body])
}

/** The INTEGER of bytes that are no negative number: as few of them as do. */
function integer(bytes: Buffer): Buffer {
  let from = 0
  while (bytes[from] === 0) from += 1
  const fewest = bytes.subarray(from)
  return content((fewest[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), fewest]) : fewest)
}

function content(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.of(2, bytes.length), bytes])
}

function pemOf(der: Buffer, label = 'PUBLIC KEY'): string {
  return `-----BEGIN ${label}-----\n${der.toString('base64')}\n-----END ${label}-----\n`
}
