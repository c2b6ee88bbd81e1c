import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import t from 'tap'
import { trustedKeyOf } from '../../src/signatures/public-key.ts'
import { checkRekorSet } from '../../src/signatures/rekor-set.ts'
import { newKeys, type KeyPair } from '../support/x509.ts'

/**
 * Every field of an entry, in every wrong shape: what containers/image's rekor_set_test.go changes, and the rest of it.
 * Each entry is signed by the log after the change, so that nothing but the field is wrong.
 */
type Json = { readonly [key: string]: unknown }
type Path = readonly string[]

const log = newKeys()
const signer = newKeys()
const other = newKeys()
const now = new Date()
const payload = Buffer.from('the payload')
const signature = sign('sha256', payload, signer.privateKey)
const base64 = (data: string | Buffer): string => Buffer.from(data).toString('base64')
const pemOf = ({ publicKey }: KeyPair): string => publicKey.export({ type: 'spki', format: 'pem' })
const hashOf = (name: string): string => createHash(name).update(payload).digest('hex')

const body: Json = {
  apiVersion: '0.0.1',
  kind: 'hashedrekord',
  spec: {
    data: { hash: { algorithm: 'sha256', value: hashOf('sha256') } },
    signature: { content: base64(signature), publicKey: { content: base64(pemOf(signer)) } },
  },
}
const ABSENT = Symbol('absent')

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The same with another value at a path. */
function changed(value: unknown, path: Path, to: unknown): Json {
  const [key, ...rest] = path
  if (key === undefined || !isObject(value)) throw new Error('no such path')
  const { [key]: old, ...others } = value
  const fresh = rest.length === 0 ? to : changed(old, rest, to)
  return fresh === ABSENT ? others : { ...others, [key]: fresh }
}

function setOf(entry: Json, keys: KeyPair = log, hash = 'sha256'): Json {
  const canonical = JSON.stringify(Object.fromEntries(Object.entries(entry).toSorted(([a], [b]) => (a < b ? -1 : 1))))
  return { SignedEntryTimestamp: base64(sign(hash, Buffer.from(canonical), keys.privateKey)), Payload: entry }
}

const entryOf = (content: unknown): Json => ({
  body: base64(JSON.stringify(content)),
  integratedTime: Math.floor(now.getTime() / 1000) - 60,
  logIndex: 7,
  logID: 'ab'.repeat(32),
})

function accepts(set: unknown, keys: readonly KeyPair[] = [log]): boolean {
  return checkRekorSet({
    untrustedSet: Buffer.from(typeof set === 'string' ? set : JSON.stringify(set)),
    logged: {
      payload,
      signature,
      signer: { label: 'PUBLIC KEY', der: signer.publicKey.export({ type: 'spki', format: 'der' }) },
    },
    rekorKeys: keys.map(({ publicKey }, index) => trustedKeyOf(publicKey, `rekor-${index}`)),
    now,
  }).ok
}

const SHAPES: readonly unknown[] = [ABSENT, null, 1, true, '', 'x', '+', {}, [], ['x']]
const shown = (value: unknown): string => (value === ABSENT ? 'absent' : JSON.stringify(value))

t.test('the entry that the others are changes of', async t => {
  t.equal(accepts(setOf(entryOf(body))), true)
})

t.test('the body: each field in each wrong shape', async t => {
  const paths: readonly Path[] = [
    ['apiVersion'],
    ['kind'],
    ['spec'],
    ['spec', 'data'],
    ['spec', 'data', 'hash'],
    ['spec', 'data', 'hash', 'algorithm'],
    ['spec', 'data', 'hash', 'value'],
    ['spec', 'signature'],
    ['spec', 'signature', 'content'],
    ['spec', 'signature', 'publicKey'],
    ['spec', 'signature', 'publicKey', 'content'],
  ]
  for (const path of paths) {
    for (const shape of SHAPES) {
      t.equal(accepts(setOf(entryOf(changed(body, path, shape)))), false, `${path.join('.')}: ${shown(shape)}`)
    }
    const parent = path.slice(0, -1)
    const extra = changed(body, [...parent, 'unexpected'], 1)
    t.equal(accepts(setOf(entryOf(extra))), false, [...parent, 'unexpected'].join('.'))
  }
  for (const content of [null, 1, 'x', [], [body]]) t.equal(accepts(setOf(entryOf(content))), false, shown(content))
})

t.test('case 3: the body: values of the right shape that are of something else', async t => {
  const at = (...path: Path) => path
  const HASH = ['spec', 'data', 'hash']
  const KEY = at('spec', 'signature', 'publicKey', 'content')
  const table: readonly { it: string; path: Path; to: unknown }[] = [
    { it: 'a version to come', path: at('apiVersion'), to: '99.0.99' },
    { it: 'another kind', path: at('kind'), to: 'notHashedRekord' },
    { it: 'the kind in another case', path: at('kind'), to: 'hashedRekord' },
    { it: 'half a byte of hash', path: [...HASH, 'value'], to: 'a'.repeat(63) },
    { it: 'another hash', path: [...HASH, 'value'], to: 'a'.repeat(64) },
    { it: 'SHA-512, rightly', path: HASH, to: { algorithm: 'sha512', value: hashOf('sha512') } },
    { it: 'SHA-512, of a SHA-256', path: [...HASH, 'algorithm'], to: 'sha512' },
    { it: 'another signature', path: at('spec', 'signature', 'content'), to: base64('does not match') },
    {
      it: 'the signature and more',
      path: at('spec', 'signature', 'content'),
      to: base64(Buffer.concat([signature, Buffer.of(0)])),
    },
    { it: 'a key that is no PEM', path: KEY, to: base64('not PEM') },
    { it: 'the key twice', path: KEY, to: base64(pemOf(signer).repeat(2)) },
    { it: 'the key and text', path: KEY, to: base64(`${pemOf(signer)}x`) },
    { it: 'another key', path: KEY, to: base64(pemOf(other)) },
    { it: 'the log’s own key', path: KEY, to: base64(pemOf(log)) },
  ]
  for (const { it, path, to } of table) t.equal(accepts(setOf(entryOf(changed(body, path, to)))), false, it)
})

t.test('what is signed: each field in each wrong shape', async t => {
  const entry = entryOf(body)
  for (const field of ['body', 'logID']) {
    for (const shape of SHAPES)
      t.equal(accepts(setOf(changed(entry, [field], shape))), false, `${field}: ${shown(shape)}`)
  }
  const numbers = [ABSENT, null, true, '', '1', {}, [], -1, 0.5, 2 ** 53, Number.MAX_VALUE]
  for (const field of ['integratedTime', 'logIndex']) {
    for (const shape of numbers)
      t.equal(accepts(setOf(changed(entry, [field], shape))), false, `${field}: ${shown(shape)}`)
  }
  t.equal(accepts(setOf({ ...entry, unexpected: 1 })), false, 'unexpected')
  // Each with the number that a hurried reader makes of it, which is the one that is signed.
  for (const [number, read] of [
    ['1.0', 1],
    ['1e0', 1],
    ['-0', 0],
    ['01', 1],
    ['9007199254740993', 2 ** 53],
    ['9007199254740993', 2 ** 53 + 2],
  ] as const) {
    const text = JSON.stringify(setOf({ ...entry, logIndex: read })).replace(/"logIndex":\d+/, `"logIndex":${number}`)
    t.equal(accepts(text), false, `case 67: logIndex ${number}`)
  }
})

t.test('what is around it: each field in each wrong shape', async t => {
  const set = setOf(entryOf(body))
  for (const field of ['SignedEntryTimestamp', 'Payload']) {
    for (const shape of SHAPES) t.equal(accepts(changed(set, [field], shape)), false, `${field}: ${shown(shape)}`)
    t.equal(accepts(JSON.stringify(set).replace(`"${field}":`, `"${field}":null,"${field}":`)), false, `${field} twice`)
    t.equal(accepts(JSON.stringify(set).replace(field, field.toLowerCase())), false, `${field} in another case (37)`)
  }
  for (const text of ['', '&', '1', '[]', 'null', `\ufeff${JSON.stringify(set)}`, `${JSON.stringify(set)}x`]) {
    t.equal(accepts(text), false, text.slice(0, 10))
  }
})

t.test('case 50: Rekor signs with ECDSA and SHA-256; another log, kind of key or hash has signed nothing', async t => {
  const entry = entryOf(body)
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const ed25519 = generateKeyPairSync('ed25519')
  t.equal(accepts(setOf(entry), [other]), false, 'another log')
  t.equal(accepts(setOf(entry), [other, log]), true, 'one of two logs')
  t.equal(accepts(setOf(entry), []), false, 'no log')
  t.equal(accepts(setOf(entry, signer)), false, 'the signer is no log')
  t.equal(accepts(setOf(entry, p384), [p384]), true, 'P-384 with SHA-256')
  t.equal(accepts(setOf(entry, p384, 'sha384'), [p384]), false, 'P-384 with SHA-384')
  t.equal(accepts(setOf(entry, rsa), [rsa]), false, 'RSA')
  const canonical = Buffer.from(
    `{"body":"${String(entry['body'])}","integratedTime":${String(entry['integratedTime'])},"logID":"${'ab'.repeat(32)}","logIndex":7}`,
  )
  const byEd25519 = { SignedEntryTimestamp: base64(sign(null, canonical, ed25519.privateKey)), Payload: entry }
  t.equal(accepts(byEd25519, [ed25519]), false, 'Ed25519')
  t.equal(accepts({ ...setOf(entry), Payload: { ...entry, logIndex: 8 } }), false, 'another index, after signing')
})
