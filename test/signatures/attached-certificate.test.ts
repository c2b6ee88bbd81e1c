import { createHash, sign } from 'node:crypto'
import t from 'tap'
import { digestOf } from '../../src/reference/digest.ts'
import type { AttachedSignature } from '../../src/signatures/attached-signature.ts'
import { parseCaCertificates } from '../../src/signatures/certificate-trust.ts'
import { trustedKeyOf, type TrustedKey } from '../../src/signatures/public-key.ts'
import type { TrustMaterial } from '../../src/signatures/trust-material.ts'
import { verifySignature } from '../../src/signatures/verify-signature.ts'
import { mirroredSignature, twinKey } from '../support/ecdsa.ts'
import { payloadOf } from '../support/signer.ts'
import {
  alternativeNames,
  authority,
  extendedKeyUsage,
  extension,
  issue,
  keyUsage,
  newKeys,
  OID,
  pem,
  type Authority,
  type KeyPair,
} from '../support/x509.ts'

const SIGNATURE = 'dev.cosignproject.cosign/signature'
const CERTIFICATE = 'dev.sigstore.cosign/certificate'
const CHAIN = 'dev.sigstore.cosign/chain'
const BUNDLE = 'dev.sigstore.cosign/bundle'
const EMAIL = 'alice@example.org'
const HOST = 'build.example.org'
const ISSUER = 'https://accounts.example.org'
const MINUTE = 60_000

const now = new Date(Math.floor(Date.now() / 1000) * 1000)
const image = Buffer.from('{"schemaVersion":2}')
const subject = { bytes: image, digest: digestOf(image) }
const payload = payloadOf(subject.digest, 'example.org/test')

const root = authority('root')
const intermediate = authority('intermediate', { issuer: root })
const stranger = authority('root')
const log = newKeys()
const keys = newKeys()
const others = newKeys()
const trusted = ({ publicKey }: KeyPair, name: string): TrustedKey => trustedKeyOf(publicKey, name)
const base64 = (bytes: Buffer | string): string => Buffer.from(bytes).toString('base64')
const ca = (...authorities: readonly Authority[]) =>
  parseCaCertificates(Buffer.from(authorities.map(pem).join('')), 'ca')

const leafExtensions = [
  keyUsage(0x80),
  extendedKeyUsage(OID.codeSigning),
  alternativeNames({ email: EMAIL }, { dns: HOST }),
  extension(OID.issuerV1, Buffer.from(ISSUER)),
]
/** Valid for a minute, two minutes ago, as Fulcio's are; `current` is one of one's own CA. */
const leaf = issue({
  subject: '',
  issuer: intermediate,
  keys,
  notBefore: new Date(now.getTime() - 3 * MINUTE),
  notAfter: new Date(now.getTime() - MINUTE),
  extensions: leafExtensions,
})
const current = issue({ subject: '', issuer: intermediate, keys, extensions: leafExtensions })
const signature = sign('sha256', payload, keys.privateKey)

/** An entry of the log: what is in it is of the right signature unless it is said otherwise. */
function entry(
  options: {
    signer?: string
    signature?: Buffer
    payload?: Buffer
    at?: Date
    by?: KeyPair
  } = {},
): string {
  const body = base64(
    JSON.stringify({
      apiVersion: '0.0.1',
      kind: 'hashedrekord',
      spec: {
        data: {
          hash: {
            algorithm: 'sha256',
            value: createHash('sha256')
              .update(options.payload ?? payload)
              .digest('hex'),
          },
        },
        signature: {
          content: base64(options.signature ?? signature),
          publicKey: { content: base64(options.signer ?? pem(leaf)) },
        },
      },
    }),
  )
  const integratedTime = (options.at ?? new Date(now.getTime() - 2 * MINUTE)).getTime() / 1000
  const Payload = { body, integratedTime, logID: 'ab'.repeat(32), logIndex: 1 }
  const timestamp = sign('sha256', Buffer.from(JSON.stringify(Payload)), (options.by ?? log).privateKey)
  return JSON.stringify({ SignedEntryTimestamp: base64(timestamp), Payload })
}

type Annotations = Readonly<Record<string, string | undefined>>

async function verdict(trust: TrustMaterial, annotations: Annotations, signedPayload = payload): Promise<string> {
  const untrustedAnnotations = new Map<string, string>()
  for (const [key, value] of Object.entries(annotations)) if (value !== undefined) untrustedAnnotations.set(key, value)
  const untrusted: AttachedSignature = {
    format: 'simple-signing',
    origin: { place: 'sig-tag', name: 'test' },
    untrustedPayload: signedPayload,
    untrustedAnnotations,
  }
  const check = await verifySignature({ signature: untrusted, trust, subject, now })
  return check.verified ? 'accepted' : check.rejection.code
}

type Row = {
  readonly it: string
  readonly trust?: TrustMaterial
  readonly change?: Annotations
  readonly payload?: Buffer
  readonly is: string
}

/** Runs a table in which each row changes one thing of what is accepted. */
function table(name: string, trust: TrustMaterial, annotations: Annotations, rows: readonly Row[]): void {
  t.test(name, async t => {
    t.equal(await verdict(trust, annotations), 'accepted')
    for (const row of rows) {
      t.equal(await verdict(row.trust ?? trust, { ...annotations, ...row.change }, row.payload), row.is, row.it)
    }
  })
}

const spkiPem = (pair: KeyPair): string => pair.publicKey.export({ type: 'spki', format: 'pem' })
const byKeys = (key: KeyPair, rekor: readonly TrustedKey[]): TrustMaterial => ({
  by: 'keys',
  keys: [trusted(key, 'cosign.pub')],
  rekorKeys: rekor,
})
const rekorKeys = [trusted(log, 'rekor.pub')]
const elsewhere = payloadOf(digestOf(Buffer.from('another image')), 'example.org/test')
const signed = (bytes: Buffer): Buffer => sign('sha256', bytes, keys.privateKey)
const byLog = sign('sha256', payload, log.privateKey)
const ofElsewhere = signed(elsewhere)
const ofGpg = Buffer.from(
  payload
    .toString()
    .replace('cosign container image signature', 'atomic container signature')
    .replace('"optional":null', '"optional":{}'),
)
const unreadable = Buffer.from('&')
const ofUnreadable = signed(unreadable)
const keyEntry = (options: Parameters<typeof entry>[0] = {}): string => entry({ signer: spkiPem(keys), ...options })

table(
  'a key and a log (cases 30, 35, 39, 41, 43, 50, 51, 54)',
  byKeys(keys, rekorKeys),
  { [SIGNATURE]: base64(signature), [BUNDLE]: keyEntry() },
  [
    { it: 'no entry', change: { [BUNDLE]: undefined }, is: 'NOT_LOGGED' },
    { it: 'an empty entry', change: { [BUNDLE]: '' }, is: 'NOT_LOGGED' },
    { it: 'no signature', change: { [SIGNATURE]: undefined }, is: 'MALFORMED' },
    {
      it: 'case 41: a signature with more padding',
      change: { [SIGNATURE]: `${base64(signature)}=` },
      is: 'MALFORMED',
    },
    { it: 'case 41: no base64', change: { [SIGNATURE]: '&' }, is: 'MALFORMED' },
    {
      it: 'case 43: s and n - s: good to the key, another signature to the log',
      change: { [SIGNATURE]: base64(mirroredSignature(signature)) },
      is: 'NOT_LOGGED',
    },
    {
      it: 'case 43: the same, where no log is asked',
      trust: { by: 'keys', keys: [trusted(keys, 'cosign.pub')], rekorKeys: undefined },
      change: { [SIGNATURE]: base64(mirroredSignature(signature)) },
      is: 'accepted',
    },
    {
      it: 'case 51: an entry about another key that verifies the same signature',
      change: {
        [BUNDLE]: keyEntry({
          signer: twinKey(signature, payload, keys.publicKey).export({ type: 'spki', format: 'pem' }),
        }),
      },
      is: 'NOT_LOGGED',
    },
    {
      it: 'case 35: a signed GPG payload',
      payload: ofGpg,
      change: { [SIGNATURE]: base64(signed(ofGpg)), [BUNDLE]: undefined },
      trust: { by: 'keys', keys: [trusted(keys, 'cosign.pub')], rekorKeys: undefined },
      is: 'MALFORMED',
    },
    {
      it: 'case 39: other bytes that are the same text, once they are decoded as UTF-8',
      payload: Buffer.concat([payload, Buffer.of(0xfe)]),
      change: { [SIGNATURE]: base64(signed(Buffer.from(`${payload.toString()}\ufffd`))), [BUNDLE]: undefined },
      trust: { by: 'keys', keys: [trusted(keys, 'cosign.pub')], rekorKeys: undefined },
      is: 'UNTRUSTED_SIGNER',
    },
    { it: 'case 41: half a signature', change: { [SIGNATURE]: base64(signature).slice(0, -1) }, is: 'MALFORMED' },
    { it: 'another signature', change: { [SIGNATURE]: base64(signed(payload)) }, is: 'NOT_LOGGED' },
    { it: 'another key in the policy', trust: byKeys(others, rekorKeys), is: 'UNTRUSTED_SIGNER' },
    { it: 'another log in the policy', trust: byKeys(keys, [trusted(others, 'x')]), is: 'NOT_LOGGED' },
    { it: 'one log of two', trust: byKeys(keys, [trusted(others, 'x'), ...rekorKeys]), is: 'accepted' },
    { it: 'no log in the policy', trust: byKeys(keys, []), is: 'NOT_LOGGED' },
    {
      it: 'case 66: when it was logged does not matter for a key',
      change: { [BUNDLE]: keyEntry({ at: new Date('1999-01-01') }) },
      is: 'accepted',
    },
    { it: 'case 50: the signer is its own log', change: { [BUNDLE]: keyEntry({ by: keys }) }, is: 'NOT_LOGGED' },
    {
      it: 'case 50: what the log has signed itself',
      change: { [SIGNATURE]: base64(byLog), [BUNDLE]: keyEntry({ signature: byLog, signer: spkiPem(log) }) },
      is: 'UNTRUSTED_SIGNER',
    },
    { it: 'case 50: the log is the signer', trust: byKeys(log, rekorKeys), is: 'UNTRUSTED_SIGNER' },
    {
      it: 'case 3: an entry about another key',
      change: { [BUNDLE]: keyEntry({ signer: spkiPem(others) }) },
      is: 'NOT_LOGGED',
    },
    { it: 'an entry about a certificate', change: { [BUNDLE]: entry() }, is: 'NOT_LOGGED' },
    {
      it: 'case 1: an entry about another payload',
      change: { [BUNDLE]: keyEntry({ payload: elsewhere }) },
      is: 'NOT_LOGGED',
    },
    {
      it: 'case 4: an entry of the future',
      change: { [BUNDLE]: keyEntry({ at: new Date(now.getTime() + 6 * MINUTE) }) },
      is: 'NOT_LOGGED',
    },
    {
      it: 'a clock that is a little behind',
      change: { [BUNDLE]: keyEntry({ at: new Date(now.getTime() + 4 * MINUTE) }) },
      is: 'accepted',
    },
    {
      it: 'another image',
      payload: elsewhere,
      change: { [SIGNATURE]: base64(ofElsewhere), [BUNDLE]: keyEntry({ payload: elsewhere, signature: ofElsewhere }) },
      is: 'WRONG_DIGEST',
    },
    {
      it: 'case 34: a signed text that is no payload',
      payload: unreadable,
      change: {
        [SIGNATURE]: base64(ofUnreadable),
        [BUNDLE]: keyEntry({ payload: unreadable, signature: ofUnreadable }),
      },
      is: 'MALFORMED',
    },
  ],
)

const keysOnly: TrustMaterial = { by: 'keys', keys: [trusted(keys, 'cosign.pub')], rekorKeys: undefined }

table('case 66: a key, and no log is demanded', keysOnly, { [SIGNATURE]: base64(signature) }, [
  { it: 'an entry that is none is not read', change: { [BUNDLE]: '&' }, is: 'accepted' },
  { it: 'nor is one of another log', change: { [BUNDLE]: keyEntry({ by: others }) }, is: 'accepted' },
  {
    it: 'no entry stands in for the key',
    trust: { ...keysOnly, keys: [trusted(others, 'other.pub')] },
    change: { [BUNDLE]: keyEntry() },
    is: 'UNTRUSTED_SIGNER',
  },
  { it: 'nor for the signature', change: { [SIGNATURE]: undefined, [BUNDLE]: keyEntry() }, is: 'MALFORMED' },
])

type FulcioChange = { roots?: readonly Authority[]; oidcIssuer?: string; subjectEmail?: string }
const fulcio = (change: FulcioChange = {}, rekor = rekorKeys): TrustMaterial => ({
  by: 'fulcio',
  trust: {
    roots: ca(...(change.roots ?? [root])),
    oidcIssuer: change.oidcIssuer ?? ISSUER,
    subjectEmail: change.subjectEmail ?? EMAIL,
  },
  rekorKeys: rekor,
})
const chain = pem(intermediate) + pem(root)

table(
  'a Fulcio certificate and a log (cases 51, 54)',
  fulcio(),
  { [SIGNATURE]: base64(signature), [CERTIFICATE]: pem(leaf), [CHAIN]: chain, [BUNDLE]: entry() },
  [
    { it: 'no entry', change: { [BUNDLE]: undefined }, is: 'NOT_LOGGED' },
    { it: 'no certificate', change: { [CERTIFICATE]: undefined }, is: 'UNTRUSTED_SIGNER' },
    { it: 'an empty certificate', change: { [CERTIFICATE]: '' }, is: 'MALFORMED' },
    { it: 'two certificates', change: { [CERTIFICATE]: pem(leaf) + pem(leaf) }, is: 'MALFORMED' },
    { it: 'no signature', change: { [SIGNATURE]: undefined }, is: 'MALFORMED' },
    { it: 'no chain', change: { [CHAIN]: undefined }, is: 'UNTRUSTED_SIGNER' },
    {
      it: 'case 54: no chain, the issuer in the policy',
      trust: fulcio({ roots: [root, intermediate] }),
      change: { [CHAIN]: undefined },
      is: 'accepted',
    },
    {
      it: 'an empty chain, the same',
      trust: fulcio({ roots: [root, intermediate] }),
      change: { [CHAIN]: '' },
      is: 'accepted',
    },
    {
      it: 'a chain without its root: the last is left out',
      change: { [CHAIN]: pem(intermediate) },
      is: 'UNTRUSTED_SIGNER',
    },
    { it: 'whatever the last is', change: { [CHAIN]: pem(intermediate) + pem(stranger) }, is: 'accepted' },
    { it: 'the chain the other way round', change: { [CHAIN]: pem(root) + pem(intermediate) }, is: 'UNTRUSTED_SIGNER' },
    { it: 'a chain that is none', change: { [CHAIN]: 'not a certificate' }, is: 'UNTRUSTED_SIGNER' },
    { it: 'text behind the chain', change: { [CHAIN]: `${chain}x` }, is: 'UNTRUSTED_SIGNER' },
    { it: 'another CA in the policy', trust: fulcio({ roots: [stranger] }), is: 'UNTRUSTED_SIGNER' },
    {
      it: 'case 26: its own root comes along',
      trust: fulcio({ roots: [stranger] }),
      change: { [CHAIN]: chain + pem(root) },
      is: 'UNTRUSTED_SIGNER',
    },
    { it: 'another issuer', trust: fulcio({ oidcIssuer: `${ISSUER}/` }), is: 'WRONG_SIGNER' },
    { it: 'another address', trust: fulcio({ subjectEmail: 'bob@example.org' }), is: 'WRONG_SIGNER' },
    { it: 'case 20: a pattern for an address', trust: fulcio({ subjectEmail: '.*' }), is: 'WRONG_SIGNER' },
    { it: 'another log', trust: fulcio({}, [trusted(others, 'x')]), is: 'NOT_LOGGED' },
    { it: 'no log', trust: fulcio({}, []), is: 'NOT_LOGGED' },
    {
      it: 'case 3: an entry about another certificate',
      change: { [BUNDLE]: entry({ signer: pem(current) }) },
      is: 'NOT_LOGGED',
    },
    { it: 'an entry about the key alone', change: { [BUNDLE]: keyEntry() }, is: 'NOT_LOGGED' },
    {
      it: 'logged before it was valid',
      change: { [BUNDLE]: entry({ at: new Date(now.getTime() - 4 * MINUTE) }) },
      is: 'UNTRUSTED_SIGNER',
    },
    {
      it: 'logged in its first second',
      change: { [BUNDLE]: entry({ at: new Date(now.getTime() - 3 * MINUTE) }) },
      is: 'accepted',
    },
    {
      it: 'logged in its last second',
      change: { [BUNDLE]: entry({ at: new Date(now.getTime() - MINUTE) }) },
      is: 'accepted',
    },
    {
      it: 'case 5: logged after it was valid',
      change: { [BUNDLE]: entry({ at: new Date(now.getTime() - MINUTE + 1000) }) },
      is: 'UNTRUSTED_SIGNER',
    },
    {
      it: 'case 51: a signature with another key, logged',
      change: {
        [SIGNATURE]: base64(sign('sha256', payload, others.privateKey)),
        [BUNDLE]: entry({ signature: Buffer.alloc(0) }),
      },
      is: 'NOT_LOGGED',
    },
    {
      it: 'another image',
      payload: elsewhere,
      change: { [SIGNATURE]: base64(ofElsewhere), [BUNDLE]: entry({ payload: elsewhere, signature: ofElsewhere }) },
      is: 'WRONG_DIGEST',
    },
  ],
)

t.test('an entry can name a signature and a certificate that do not belong together', async t => {
  const stray = sign('sha256', payload, others.privateKey)
  const annotations = {
    [SIGNATURE]: base64(stray),
    [CERTIFICATE]: pem(leaf),
    [CHAIN]: chain,
    [BUNDLE]: entry({ signature: stray }),
  }
  t.equal(await verdict(fulcio(), annotations), 'UNTRUSTED_SIGNER')
})

type PkiChange = {
  roots?: readonly Authority[]
  intermediates?: readonly Authority[]
  email?: string | undefined
  host?: string | undefined
}
const pki = (change: PkiChange = {}): TrustMaterial => {
  const { roots, intermediates, email, host } = {
    roots: [root],
    intermediates: [],
    email: EMAIL,
    host: HOST,
    ...change,
  }
  return {
    by: 'pki',
    trust: {
      roots: ca(...roots),
      intermediates: intermediates.length === 0 ? [] : ca(...intermediates),
      subjectEmail: email,
      subjectHostname: host,
    },
  }
}

table(
  'a certificate of a CA of one’s own (case 54)',
  pki(),
  { [SIGNATURE]: base64(signature), [CERTIFICATE]: pem(current), [CHAIN]: chain },
  [
    { it: 'the address alone', trust: pki({ host: undefined }), is: 'accepted' },
    { it: 'the host alone', trust: pki({ email: undefined }), is: 'accepted' },
    { it: 'nobody is asked for', trust: pki({ email: undefined, host: undefined }), is: 'WRONG_SIGNER' },
    { it: 'another address', trust: pki({ email: 'bob@example.org' }), is: 'WRONG_SIGNER' },
    { it: 'another host', trust: pki({ host: 'other.example.org' }), is: 'WRONG_SIGNER' },
    { it: 'any host below', trust: pki({ host: '.example.org' }), is: 'WRONG_SIGNER' },
    { it: 'another CA', trust: pki({ roots: [stranger] }), is: 'UNTRUSTED_SIGNER' },
    { it: 'no chain', change: { [CHAIN]: undefined }, is: 'UNTRUSTED_SIGNER' },
    {
      it: 'no chain, the intermediate in the policy',
      trust: pki({ intermediates: [intermediate] }),
      change: { [CHAIN]: undefined },
      is: 'accepted',
    },
    {
      it: 'a chain that is none, the same',
      trust: pki({ intermediates: [intermediate] }),
      change: { [CHAIN]: 'x' },
      is: 'UNTRUSTED_SIGNER',
    },
    { it: 'a chain without its root', change: { [CHAIN]: pem(intermediate) }, is: 'UNTRUSTED_SIGNER' },
    { it: 'no certificate', change: { [CERTIFICATE]: undefined }, is: 'UNTRUSTED_SIGNER' },
    {
      it: 'one that has expired, whatever a log says',
      change: { [CERTIFICATE]: pem(leaf), [BUNDLE]: entry() },
      is: 'UNTRUSTED_SIGNER',
    },
    { it: 'no signature', change: { [SIGNATURE]: undefined }, is: 'MALFORMED' },
    {
      it: 'a signature with another key',
      change: { [SIGNATURE]: base64(sign('sha256', payload, others.privateKey)) },
      is: 'UNTRUSTED_SIGNER',
    },
    { it: 'another image', payload: elsewhere, change: { [SIGNATURE]: base64(ofElsewhere) }, is: 'WRONG_DIGEST' },
  ],
)
