import { constants, generateKeyPairSync, sign } from 'node:crypto'
import t from 'tap'
import { parseCaCertificates } from '../../../src/signatures/certificate-trust.ts'
import { parseCertificate } from '../../../src/signatures/x509/certificate.ts'
import { verifyChain } from '../../../src/signatures/x509/chain.ts'
import {
  alternativeNames,
  authority,
  extension,
  integer,
  issue,
  oid,
  pem,
  sequence,
  tlv,
  type Authority,
  type CertificateOptions,
  type KeyPair,
} from '../../support/x509.ts'

const root = authority('root')
const names = alternativeNames({ email: 'alice@example.org' })
const leafOf = (issuer: Authority, options: CertificateOptions = {}): Authority =>
  issue({ subject: '', issuer, extensions: [names], ...options })

/** `unreadable`: refused before there is a chain. */
function verdict(leaf: Authority, roots: readonly Authority[] = [root], others: readonly Authority[] = []): string {
  try {
    const parse = ({ der }: Authority) => parseCertificate(der)
    const args = { leaf: parse(leaf), untrustedIntermediates: others.map(parse), roots: roots.map(parse) }
    return verifyChain({ ...args, at: new Date() }).ok ? 'accepted' : 'refused'
  } catch (error) {
    if (error instanceof Error && error.name === 'CertificateError') return 'unreadable'
    throw error
  }
}

t.test('a path is good until the first of its certificates ends', async t => {
  const now = Math.floor(Date.now() / 1000)
  const inSeconds = (seconds: number): Date => new Date((now + seconds) * 1000)
  for (const [leafEnd, caEnd, rootEnd, first] of [
    [100, 200, 300, 100],
    [300, 200, 400, 200],
    [300, 200, 100, 100],
  ] as const) {
    const parse = ({ der }: Authority) => parseCertificate(der)
    const top = authority('root', { notAfter: inSeconds(rootEnd) })
    const ca = authority('CA', { issuer: top, notAfter: inSeconds(caEnd) })
    const leaf = parse(leafOf(ca, { notAfter: inSeconds(leafEnd) }))
    const end = inSeconds(first)
    const found = verifyChain({ leaf, untrustedIntermediates: [parse(ca)], roots: [parse(top)], at: new Date() })
    t.same(found, { ok: true, goodUntil: end })
  }
})

t.test('a date that is none never makes a certificate valid for ever', async t => {
  const table = [
    { it: 'the end of time', notAfterText: '99991231235959Z', is: 'accepted' },
    { it: 'a month too many', notAfterText: '20001301000000Z', is: 'unreadable' },
    { it: '32 January', notAfterText: '20000132000000Z', is: 'unreadable' },
    { it: '30 February', notAfterText: '20000230000000Z', is: 'unreadable' },
    { it: 'hour 24', notAfterText: '20000101240000Z', is: 'unreadable' },
    { it: 'text', notAfterText: 'never', is: 'unreadable' },
    { it: 'long ago', notAfterText: '20000101000000Z', is: 'refused' },
  ]
  for (const { it, notAfterText, is } of table) {
    t.equal(verdict(leafOf(root, { notAfterText })), is, `leaf: ${it}`)
    const ca = authority('CA', { issuer: root, notAfterText })
    t.equal(verdict(leafOf(ca), [root], [ca]), is, `CA: ${it}`)
  }
})

const SHA256_WITH_RSA = sequence(oid('1.2.840.113549.1.1.11'), tlv(0x05, Buffer.alloc(0)))
const rsaSigning = {
  identifier: SHA256_WITH_RSA,
  sign: (tbs: Buffer, key: KeyPair['privateKey']) => sign('sha256', tbs, key),
}

t.test('case 47: a CA with a weak key certifies nobody, and is no CA for a policy', async t => {
  const rsa = (modulusLength: number, publicExponent = 65537): KeyPair =>
    generateKeyPairSync('rsa', { modulusLength, publicExponent })
  const table: readonly { it: string; keys: KeyPair; rsa: boolean; is: string }[] = [
    { it: 'RSA 2048', keys: rsa(2048), rsa: true, is: 'accepted' },
    { it: 'RSA 1024', keys: rsa(1024), rsa: true, is: 'refused' },
    { it: 'RSA 512', keys: rsa(512), rsa: true, is: 'refused' },
    { it: 'RSA with exponent 3', keys: rsa(2048, 3), rsa: true, is: 'refused' },
    { it: 'P-384', keys: generateKeyPairSync('ec', { namedCurve: 'P-384' }), rsa: false, is: 'accepted' },
    { it: 'secp256k1', keys: generateKeyPairSync('ec', { namedCurve: 'secp256k1' }), rsa: false, is: 'refused' },
  ]
  for (const { it, keys, rsa: isRsa, is } of table) {
    const signing = isRsa ? { signing: rsaSigning } : {}
    const asRoot = authority('weak', { keys, ...signing })
    t.equal(verdict(leafOf(asRoot, signing), [asRoot]), is, `${it} as a root`)
    const between = authority('weak', { keys, issuer: root })
    t.equal(verdict(leafOf(between, signing), [root], [between]), is, `${it} as an intermediate`)
    const load = () => parseCaCertificates(Buffer.from(pem(root) + pem(asRoot)), 'ca.pem')
    if (is === 'accepted') t.doesNotThrow(load, it)
    else t.throws(load, { name: 'TrustMaterialError', code: 'WEAK' }, it)
  }
})

t.test('RSASSA-PSS says itself which hash it uses: only the sound ones, for the mask as well', async t => {
  const keys = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const ca = authority('PSS', { keys, signing: rsaSigning })
  const [SHA1, SHA256, SHA512] = ['1.3.14.3.2.26', '2.16.840.1.101.3.4.2.1', '2.16.840.1.101.3.4.2.3']
  const hashOf = (id: string): Buffer => sequence(oid(id), tlv(0x05, Buffer.alloc(0)))
  const parameters = (hash: string, mask: string, length: number): Buffer =>
    sequence(
      tlv(0xa0, hashOf(hash)),
      tlv(0xa1, sequence(oid('1.2.840.113549.1.1.8'), hashOf(mask))),
      tlv(0xa2, integer(length)),
    )
  const table: readonly { it: string; hash: string; parameters: readonly Buffer[]; length: number; is: string }[] = [
    { it: 'SHA-256', hash: 'sha256', parameters: [parameters(SHA256, SHA256, 32)], length: 32, is: 'accepted' },
    { it: 'SHA-512', hash: 'sha512', parameters: [parameters(SHA512, SHA512, 64)], length: 64, is: 'accepted' },
    { it: 'SHA-1', hash: 'sha1', parameters: [parameters(SHA1, SHA1, 20)], length: 20, is: 'unreadable' },
    { it: 'SHA-1, being what is left out', hash: 'sha1', parameters: [sequence()], length: 20, is: 'unreadable' },
    { it: 'no parameters', hash: 'sha1', parameters: [], length: 20, is: 'unreadable' },
    { it: 'another mask', hash: 'sha256', parameters: [parameters(SHA256, SHA1, 32)], length: 32, is: 'unreadable' },
  ]
  for (const row of table) {
    const signing = {
      identifier: sequence(oid('1.2.840.113549.1.1.10'), ...row.parameters),
      sign: (tbs: Buffer, key: KeyPair['privateKey']) =>
        sign(row.hash, tbs, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: row.length }),
    }
    t.equal(verdict(leafOf(ca, { signing }), [ca]), row.is, row.it)
  }
})

t.test('the issuer is the one that is named: the right key under another name has issued nothing', async t => {
  const renamed = authority('another root', { keys: root.keys })
  t.equal(verdict(leafOf(root), [root]), 'accepted')
  t.equal(verdict(leafOf(root), [renamed]), 'refused')
})

t.test('a name that is none of GeneralName’s kinds is no name (case 22)', async t => {
  for (const tag of [0x01, 0x41, 0xc1]) {
    const value = sequence(tlv(tag, Buffer.from('alice@example.org')))
    t.equal(verdict(leafOf(root, { extensions: [extension('2.5.29.17', value)] })), 'unreadable', `tag ${tag}`)
  }
})
