import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import t from 'tap'
import { trustedKeyOf } from '../../src/signatures/public-key.ts'
import { checkRekorSet } from '../../src/signatures/rekor-set.ts'
import { issue, pem } from '../support/x509.ts'

const log = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const rekorKeys = [trustedKeyOf(log.publicKey, 'rekor.pub')]
const signerKeys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const otherKeys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const now = new Date()
const payload = Buffer.from('the payload')
const signature = sign('sha256', payload, signerKeys.privateKey)
const spki = signerKeys.publicKey.export({ type: 'spki', format: 'der' })
const publicPem = signerKeys.publicKey.export({ type: 'spki', format: 'pem' })
const otherPem = otherKeys.publicKey.export({ type: 'spki', format: 'pem' })
const base64 = (data: string | Buffer): string => Buffer.from(data).toString('base64')

type Json = Record<string, unknown>
type Rekord = {
  apiVersion: unknown
  kind: unknown
  spec: { data: { hash: Json }; signature: { content: unknown; publicKey: Json } }
}

const rekord = (): Rekord => ({
  apiVersion: '0.0.1',
  kind: 'hashedrekord',
  spec: {
    data: { hash: { algorithm: 'sha256', value: createHash('sha256').update(payload).digest('hex') } },
    signature: { content: base64(signature), publicKey: { content: base64(publicPem) } },
  },
})

/** A signed entry timestamp as Rekor makes it, with one thing changed before or after it is signed. */
function entry(
  change: {
    body?: (body: Rekord) => void
    bodyText?: string
    payload?: (payload: Json) => void
    set?: (set: Json) => void
  } = {},
): Buffer {
  const body = rekord()
  change.body?.(body)
  const signed: Json = {
    body: base64(change.bodyText ?? JSON.stringify(body)),
    integratedTime: Math.floor(now.getTime() / 1000) - 60,
    logIndex: 7,
    logID: 'ab'.repeat(32),
  }
  change.payload?.(signed)
  const { body: text, integratedTime, logID, logIndex } = signed
  const canonical = `{"body":${JSON.stringify(text)},"integratedTime":${JSON.stringify(integratedTime)},"logID":${JSON.stringify(logID)},"logIndex":${JSON.stringify(logIndex)}}`
  const set: Json = {
    SignedEntryTimestamp: base64(sign('sha256', Buffer.from(canonical), log.privateKey)),
    Payload: signed,
  }
  change.set?.(set)
  return Buffer.from(JSON.stringify(set))
}
const check = (untrustedSet: Buffer): boolean =>
  checkRekorSet({
    untrustedSet,
    logged: { payload, signature, signer: { label: 'PUBLIC KEY', der: spki } },
    rekorKeys,
    now,
  }).ok
const afterSigning = (change: (payload: Json) => void) => (set: Json) => change(set['Payload'] as Json)

t.test('an entry about this payload, signature and key gives its time', async t => {
  const verdict = checkRekorSet({
    untrustedSet: entry(),
    logged: { payload, signature, signer: { label: 'PUBLIC KEY', der: spki } },
    rekorKeys,
    now,
  })
  t.match(verdict, { ok: true })
  if (verdict.ok) t.equal(verdict.loggedAt.getTime(), (Math.floor(now.getTime() / 1000) - 60) * 1000)
})

t.test('one thing changed, and it proves nothing (cases 1 to 4, 67)', async t => {
  const table: readonly { it: string; set: Buffer }[] = [
    { it: 'another payload', set: entry({ body: body => (body.spec.data.hash['value'] = 'ab'.repeat(32)) }) },
    {
      it: 'the digest in capitals',
      set: entry({ body: body => (body.spec.data.hash['value'] = String(body.spec.data.hash['value']).toUpperCase()) }),
    },
    { it: 'another hash', set: entry({ body: body => (body.spec.data.hash['algorithm'] = 'sha512') }) },
    { it: 'no hash', set: entry({ body: body => delete body.spec.data.hash['algorithm'] }) },
    {
      it: 'another signature',
      set: entry({
        body: body => (body.spec.signature.content = base64(sign('sha256', payload, signerKeys.privateKey))),
      }),
    },
    { it: 'no signature', set: entry({ body: body => (body.spec.signature.content = '') }) },
    { it: 'another key', set: entry({ body: body => (body.spec.signature.publicKey['content'] = base64(otherPem)) }) },
    {
      it: 'two keys',
      set: entry({ body: body => (body.spec.signature.publicKey['content'] = base64(`${publicPem}${otherPem}`)) }),
    },
    { it: 'no key', set: entry({ body: body => delete body.spec.signature.publicKey['content'] }) },
    {
      it: 'the key without PEM',
      set: entry({ body: body => (body.spec.signature.publicKey['content'] = base64(spki)) }),
    },
    { it: 'another kind', set: entry({ body: body => (body.kind = 'intoto') }) },
    { it: 'another version', set: entry({ body: body => (body.apiVersion = '0.0.2') }) },
    { it: 'a field nobody knows', set: entry({ body: body => Object.assign(body.spec, { extra: 1 }) }) },
    { it: 'a body that is no JSON', set: entry({ bodyText: '&' }) },
    {
      it: 'a repeated field in the body',
      set: entry({ bodyText: JSON.stringify(rekord()).replace('"kind"', '"kind":"x","kind"') }),
    },
    {
      it: 'case 4: a time in the future',
      set: entry({ payload: signed => (signed['integratedTime'] = Math.floor(now.getTime() / 1000) + 600) }),
    },
    { it: 'a time that is a fraction', set: entry({ payload: signed => (signed['integratedTime'] = 0.5) }) },
    { it: 'a time beyond any calendar', set: entry({ payload: signed => (signed['integratedTime'] = 9e15) }) },
    { it: 'an index below zero', set: entry({ payload: signed => (signed['logIndex'] = -1) }) },
    { it: 'a log id that is none', set: entry({ payload: signed => (signed['logID'] = 'x') }) },
    { it: 'another time, after signing', set: entry({ set: afterSigning(signed => (signed['integratedTime'] = 1)) }) },
    { it: 'another index, after signing', set: entry({ set: afterSigning(signed => (signed['logIndex'] = 8)) }) },
    {
      it: 'another log, after signing',
      set: entry({ set: afterSigning(signed => (signed['logID'] = 'cd'.repeat(32))) }),
    },
    {
      it: 'another body, after signing',
      set: entry({ set: afterSigning(signed => (signed['body'] = base64(`${JSON.stringify(rekord())} `))) }),
    },
    { it: 'a field more in the payload', set: entry({ set: afterSigning(signed => (signed['extra'] = 1)) }) },
    { it: 'a field more outside', set: entry({ set: set => (set['extra'] = 1) }) },
    { it: 'a timestamp that is no signature', set: entry({ set: set => (set['SignedEntryTimestamp'] = 'AAAA') }) },
    { it: 'no timestamp', set: entry({ set: set => delete set['SignedEntryTimestamp'] }) },
    { it: 'case 67: a repeated body', set: Buffer.from(entry().toString().replace('"body"', '"body":"AA==","body"')) },
    {
      it: 'case 41: a timestamp with more padding',
      set: entry({ set: set => (set['SignedEntryTimestamp'] = `${String(set['SignedEntryTimestamp'])}=`) }),
    },
    {
      it: 'case 41: a body with more padding',
      set: entry({ set: afterSigning(signed => (signed['body'] = `${String(signed['body'])}=`)) }),
    },
    {
      it: 'case 41: a signature with a line end',
      set: entry({ body: body => (body.spec.signature.content = `${base64(signature)}\n`) }),
    },
    {
      it: 'case 41: a key with a blank',
      set: entry({ body: body => (body.spec.signature.publicKey['content'] = ` ${base64(publicPem)}`) }),
    },
    { it: 'no JSON', set: Buffer.from('&') },
    { it: 'nothing', set: Buffer.alloc(0) },
  ]
  t.equal(check(entry()), true)
  for (const { it, set } of table) t.equal(check(set), false, it)
})

t.test('case 214: a log’s clock may be five minutes ahead of ours, and not a second more', async t => {
  const ahead = (seconds: number): Buffer =>
    entry({ payload: signed => (signed['integratedTime'] = Math.floor(now.getTime() / 1000) + seconds) })
  t.equal(check(ahead(300)), true)
  t.equal(check(ahead(301)), false)
})

t.test('another log’s key, and a key in the place of a certificate (case 50)', async t => {
  const logged = { payload, signature, signer: { label: 'PUBLIC KEY', der: spki } } as const
  t.equal(
    checkRekorSet({ untrustedSet: entry(), logged, rekorKeys: [trustedKeyOf(otherKeys.publicKey, 'x')], now }).ok,
    false,
  )
  const certificate = issue({ keys: signerKeys })
  const byCertificate = { ...logged, signer: { label: 'CERTIFICATE', der: certificate.der } } as const
  t.equal(checkRekorSet({ untrustedSet: entry(), logged: byCertificate, rekorKeys, now }).ok, false)
  const withCertificate = entry({ body: body => (body.spec.signature.publicKey['content'] = base64(pem(certificate))) })
  t.equal(checkRekorSet({ untrustedSet: withCertificate, logged: byCertificate, rekorKeys, now }).ok, true)
  t.equal(checkRekorSet({ untrustedSet: withCertificate, logged, rekorKeys, now }).ok, false)
})
