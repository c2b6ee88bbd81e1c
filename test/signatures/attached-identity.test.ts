import t from 'tap'
import type { CertificateIdentity } from '../../src/policy/sigstore-identity-requirement.ts'
import { parseTrustedRoot } from '../../src/signatures/trusted-root.ts'
import { verifySignature } from '../../src/signatures/verify-signature.ts'
import { attachedKeyless, type AttachedKeylessOptions } from '../support/attached-keyless.ts'
import {
  aboutOtherBytes,
  certify,
  ctKeys,
  intermediate,
  ISSUER,
  minutes,
  now,
  root,
  startTsa,
  SUBJECT,
  trustedRootOf,
  type Json,
} from '../support/local-sigstore.ts'
import { imageOf, payloadOf } from '../support/signer.ts'
import {
  alternativeNames,
  authority,
  basicConstraints,
  extendedKeyUsage,
  extension,
  newKeys,
  OID,
  pem,
  utf8,
} from '../support/x509.ts'

const image = imageOf('attached identity').manifest
const REFERENCE = 'example.org/app'
const tsa = await startTsa()
const identity: CertificateIdentity = {
  issuer: { kind: 'exact', text: ISSUER },
  subject: { type: 'uri', matcher: { kind: 'exact', text: SUBJECT } },
}

type Change = AttachedKeylessOptions & {
  readonly root?: (root: Json) => void
  readonly identities?: readonly [CertificateIdentity, ...CertificateIdentity[]]
  readonly now?: Date
}

/** A `.sig` layer of cosign 2, keyless, with one thing changed before or after it is signed, and what becomes of it. */
async function check(change: Change = {}): Promise<string> {
  const { payload, annotations } = await attachedKeyless(image.digest, REFERENCE, change)
  const checked = await verifySignature({
    signature: {
      format: 'simple-signing',
      origin: { place: 'sig-tag', name: 'test' },
      untrustedPayload: payload,
      untrustedAnnotations: new Map(Object.entries(annotations)),
    },
    trust: {
      by: 'identity',
      trustedRoot: parseTrustedRoot(trustedRootOf([tsa], change.root), 'root'),
      identities: change.identities ?? [identity],
    },
    subject: image,
    now: change.now ?? now,
  })
  if (!checked.verified) return `${checked.rejection.code} ${checked.rejection.message}`
  const { claim, signer, digest } = checked.signature
  t.equal(digest, image.digest)
  return `${claim.kind === 'reference' ? claim.reference : claim.kind} by ${signer}`
}

const good = `${REFERENCE} by ${SUBJECT} (${ISSUER})`
type Row = { readonly it: string; readonly change: Change; readonly is: RegExp | string }

function table(name: string, rows: readonly Row[]): void {
  t.test(name, async t => {
    for (const { it, change, is } of rows) {
      const found = await check(change)
      if (typeof is === 'string') t.equal(found, is, it)
      else t.match(found, is, it)
    }
  })
}

const SIGNATURE = 'dev.cosignproject.cosign/signature'
const CERTIFICATE = 'dev.sigstore.cosign/certificate'
const CHAIN = 'dev.sigstore.cosign/chain'
const BUNDLE = 'dev.sigstore.cosign/bundle'
const TIMESTAMP = 'dev.sigstore.cosign/rfc3161timestamp'
const bytes = (text: string): string => Buffer.from(text).toString('base64')
const stamp = (signature: Buffer): Promise<Buffer> => tsa.stamp(signature)
const stranger = authority('fulcio', { notBefore: minutes(-600), notAfter: minutes(600) })
const strangeTsa = await startTsa()

table('what cosign 2 makes in CI verifies', [
  { it: 'as it is', change: {}, is: good },
  { it: 'with a timestamp', change: { timestamp: stamp }, is: good },
  { it: 'without a chain, which is trusted for nothing', change: { change: { [CHAIN]: undefined } }, is: good },
  { it: 'with an empty chain', change: { change: { [CHAIN]: '' } }, is: good },
  { it: 'a chain of somebody else changes nothing', change: { change: { [CHAIN]: pem(stranger) } }, is: good },
  { it: 'annotations that nobody knows', change: { change: { 'org.example/note': 'x' } }, is: good },
])

table('case 54: each annotation counts', [
  { it: 'no signature', change: { change: { [SIGNATURE]: undefined } }, is: /^MALFORMED .*signature is missing/ },
  { it: 'a signature that is no base64', change: { change: { [SIGNATURE]: '%' } }, is: /^MALFORMED .*not base64/ },
  { it: 'another signature', change: { change: { [SIGNATURE]: bytes('other') } }, is: /^UNTRUSTED_SIGNER not made/ },
  { it: 'by another key', change: { keys: newKeys() }, is: /^UNTRUSTED_SIGNER not made with the key/ },
  { it: 'with a hash that is not taken', change: { hash: 'sha1' }, is: /^UNTRUSTED_SIGNER not made/ },
  { it: 'no certificate', change: { change: { [CERTIFICATE]: undefined } }, is: /^UNTRUSTED_SIGNER .*missing/ },
  { it: 'an empty certificate', change: { change: { [CERTIFICATE]: '' } }, is: /^MALFORMED .*certificate/ },
  {
    it: 'two certificates',
    change: { change: { [CERTIFICATE]: `${pem(certify())}${pem(intermediate)}` } },
    is: /^MALFORMED .*more than one/,
  },
  { it: 'the certificate of another key', change: { change: { [CERTIFICATE]: pem(certify()) } }, is: /not made with/ },
  { it: 'a chain that is none', change: { change: { [CHAIN]: 'x' } }, is: /^MALFORMED .*certificate/ },
  { it: 'case 225: a chain of ten', change: { change: { [CHAIN]: pem(root).repeat(10) } }, is: good },
  {
    it: 'case 225: a chain of eleven',
    change: { change: { [CHAIN]: pem(root).repeat(11) } },
    is: /^MALFORMED .*more than 10/,
  },
  { it: 'not logged', change: { change: { [BUNDLE]: undefined } }, is: /^NOT_LOGGED .*bundle is missing/ },
  {
    it: 'a timestamp does not stand in for the log',
    change: { timestamp: stamp, change: { [BUNDLE]: undefined } },
    is: /^NOT_LOGGED .*bundle is missing/,
  },
  { it: 'a log entry that is none', change: { change: { [BUNDLE]: '{}' } }, is: /^NOT_LOGGED .*cannot be read/ },
])

const spec = (body: Json): Json => body['spec'] as Json
const entryOf = (set: Json): Json => set['Payload'] as Json
const changed =
  (key: string, value: unknown) =>
  (set: Json): void => {
    entryOf(set)[key] = value
  }

table('the log entry: signed by the log, in its time, about this signature', [
  { it: 'cases 1, 33: by another log', change: { log: newKeys() }, is: /^NOT_LOGGED/ },
  {
    it: 'case 33: another log under the name of the trusted one',
    change: {
      log: newKeys(),
      root: made => {
        const [log] = made['tlogs'] as Json[]
        if (log !== undefined) log['logId'] = { keyId: bytes('0'.repeat(32)) }
      },
    },
    is: /^NOT_LOGGED/,
  },
  { it: 'no promise', change: { set: set => delete set['SignedEntryTimestamp'] }, is: /^NOT_LOGGED/ },
  { it: 'an empty promise', change: { set: set => (set['SignedEntryTimestamp'] = '') }, is: /^NOT_LOGGED/ },
  { it: 'another promise', change: { set: set => (set['SignedEntryTimestamp'] = bytes('x')) }, is: /^NOT_LOGGED/ },
  {
    it: 'case 5: a time that the log has not signed',
    change: { set: changed('integratedTime', minutes(1).getTime() / 1000) },
    is: /^NOT_LOGGED/,
  },
  { it: 'no time', change: { set: changed('integratedTime', 0) }, is: /^NOT_LOGGED .*no time/ },
  { it: 'a time as text', change: { set: changed('integratedTime', '1') }, is: /^NOT_LOGGED .*cannot be read/ },
  { it: 'another index', change: { set: changed('logIndex', 4712) }, is: /^NOT_LOGGED/ },
  { it: 'another log id', change: { set: changed('logID', 'ab'.repeat(32)) }, is: /^NOT_LOGGED/ },
  { it: 'a log id that is none', change: { set: changed('logID', 'AB') }, is: /^NOT_LOGGED .*id of a log/ },
  { it: 'another body', change: { set: changed('body', bytes('{}')) }, is: /^NOT_LOGGED/ },
  { it: 'a field that nobody knows', change: { set: changed('more', 1) }, is: /^NOT_LOGGED .*cannot be read/ },
  {
    it: 'cases 2, 6: of another payload',
    change: { body: body => (spec(body)['data'] = { hash: { algorithm: 'sha256', value: '00'.repeat(32) } }) },
    is: /^NOT_LOGGED .*something else/,
  },
  {
    it: 'a hash that is not taken',
    change: { body: body => (spec(body)['data'] = { hash: { algorithm: 'sha1', value: '00'.repeat(20) } }) },
    is: /^NOT_LOGGED .*cannot be read/,
  },
  {
    it: 'case 1: of another signature',
    change: { body: body => ((spec(body)['signature'] as Json)['content'] = bytes('other')) },
    is: /^NOT_LOGGED .*another signature/,
  },
  {
    it: 'case 3: of another signer',
    change: {
      body: body => ((spec(body)['signature'] as Json)['publicKey'] = { content: bytes(pem(certify())) }),
    },
    is: /^NOT_LOGGED .*another signer/,
  },
  {
    it: 'of the bare key instead of the certificate',
    change: {
      body: body => {
        const key = newKeys().publicKey.export({ type: 'spki', format: 'pem' })
        const signed = spec(body)['signature'] as Json
        signed['publicKey'] = { content: bytes(key) }
      },
    },
    is: /^NOT_LOGGED .*another signer/,
  },
  { it: 'of another kind', change: { body: body => (body['kind'] = 'rekord') }, is: /^NOT_LOGGED/ },
  { it: 'of another version', change: { body: body => (body['apiVersion'] = '0.0.2') }, is: /^NOT_LOGGED/ },
  { it: 'case 4: from the future', change: { now: minutes(-6) }, is: /^NOT_LOGGED .*future/ },
  { it: 'case 214: our clock is five minutes slow', change: { now: minutes(-5) }, is: good },
  {
    it: 'case 214: and a millisecond more',
    change: { now: new Date(minutes(-5).getTime() - 1) },
    is: /^NOT_LOGGED .*future/,
  },
  { it: 'case 214: our clock is fast by a day', change: { now: minutes(24 * 60) }, is: good },
  { it: 'case 214: logged in the last second of the certificate', change: { integratedAt: minutes(5) }, is: good },
  {
    it: 'case 214: and a second later, for which no skew is allowed',
    change: { integratedAt: new Date(minutes(5).getTime() + 1000) },
    is: /^UNTRUSTED_SIGNER/,
  },
  { it: 'case 214: in its first second', change: { integratedAt: minutes(-5) }, is: good },
  {
    it: 'case 214: and a second earlier',
    change: { integratedAt: new Date(minutes(-5).getTime() - 1000) },
    is: /^UNTRUSTED_SIGNER/,
  },
  {
    it: 'case 7: logged when the certificate had expired',
    change: { integratedAt: minutes(6) },
    is: /^UNTRUSTED_SIGNER/,
  },
  {
    it: 'case 7: logged before the certificate was issued',
    change: { integratedAt: minutes(-6) },
    is: /^UNTRUSTED_SIGNER/,
  },
  {
    it: 'case 12: a log whose time was over',
    change: {
      root: made => {
        const [log] = made['tlogs'] as Json[]
        const key = log?.['publicKey'] as Json
        key['validFor'] = { start: '2020-01-01T00:00:00Z', end: minutes(-1).toISOString() }
      },
    },
    is: /^NOT_LOGGED/,
  },
])

table('the timestamp, where there is one', [
  { it: 'that is none', change: { change: { [TIMESTAMP]: 'x' } }, is: /^MALFORMED .*timestamp/ },
  { it: 'without its field', change: { change: { [TIMESTAMP]: '{}' } }, is: /^MALFORMED .*timestamp/ },
  {
    it: 'that is no base64',
    change: { change: { [TIMESTAMP]: '{"SignedRFC3161Timestamp":"%"}' } },
    is: /^MALFORMED .*base64/,
  },
  {
    it: 'that is no DER',
    change: { change: { [TIMESTAMP]: JSON.stringify({ SignedRFC3161Timestamp: bytes('x') }) } },
    is: /^(?:MALFORMED|NOT_LOGGED)/,
  },
  {
    it: 'case 10: over another signature',
    change: { timestamp: () => tsa.stamp(Buffer.from('x')) },
    is: /^NOT_LOGGED/,
  },
  { it: 'by a stranger', change: { timestamp: signature => strangeTsa.stamp(signature) }, is: /^NOT_LOGGED/ },
  {
    it: 'case 7: at which the certificate was not valid',
    change: { timestamp: signature => tsa.stamp(signature, minutes(-20)) },
    is: /^UNTRUSTED_SIGNER/,
  },
  {
    it: 'case 7: at which the certificate had expired, though it was good when it was logged',
    change: { timestamp: signature => tsa.stamp(signature, minutes(20)), now: minutes(60) },
    is: /^UNTRUSTED_SIGNER/,
  },
  {
    it: 'from the future',
    change: { timestamp: signature => tsa.stamp(signature, minutes(20)) },
    is: /^NOT_LOGGED .*future/,
  },
])

table('the certificate: of the trusted authority, promised by a CT log, for the identity', [
  { it: 'case 26: of another authority', change: { leaf: certify({ issuer: stranger }) }, is: /^UNTRUSTED_SIGNER/ },
  {
    it: 'case 26: of an authority that it brings along',
    change: { leaf: certify({ issuer: stranger }), change: { [CHAIN]: pem(stranger) } },
    is: /^UNTRUSTED_SIGNER/,
  },
  {
    it: 'an authority that was retired',
    change: {
      root: made => {
        const [first] = made['certificateAuthorities'] as Json[]
        if (first !== undefined) first['validFor'] = { start: '2020-01-01T00:00:00Z', end: '2021-01-01T00:00:00Z' }
      },
    },
    is: /^UNTRUSTED_SIGNER/,
  },
  { it: 'no CT log', change: { leaf: certify({ ctLog: undefined } as never) }, is: /^UNTRUSTED_SIGNER .*SCT/ },
  {
    it: 'another CT log',
    change: { leaf: certify({ ctLog: { keys: newKeys(), at: minutes(0) } }) },
    is: /^UNTRUSTED_SIGNER .*SCT/,
  },
  {
    it: 'a promise for another certificate',
    change: {
      leaf: certify({
        ctLog: { keys: ctKeys, at: minutes(0), bend: signed => Buffer.concat([signed, Buffer.of(0)]) },
      }),
    },
    is: /^UNTRUSTED_SIGNER .*SCT/,
  },
  {
    it: 'case 24: not for code signing',
    change: { leaf: certify({ replace: { extendedKeyUsage: extendedKeyUsage(OID.serverAuth) } }) },
    is: /^UNTRUSTED_SIGNER .*not for code signing/,
  },
  {
    it: 'case 24: for anything, since it names no usage',
    change: { leaf: certify({ replace: { extendedKeyUsage: undefined } }) },
    is: /^UNTRUSTED_SIGNER .*not for code signing/,
  },
  {
    it: 'case 24: a critical extension that nobody knows',
    change: { leaf: certify({ add: [extension('1.2.3.4.5', utf8('x'), true)] }) },
    is: /^UNTRUSTED_SIGNER .*not understood/,
  },
  { it: 'case 24: a CA', change: { leaf: certify({ add: [basicConstraints(true)] }) }, is: /^UNTRUSTED_SIGNER .*a CA/ },
  {
    it: 'case 20: another name',
    change: { leaf: certify({ replace: { names: alternativeNames({ uri: `${SUBJECT}x` }) } }) },
    is: /^WRONG_SIGNER .*who is not trusted/,
  },
  {
    it: 'case 22: the name as an e-mail address',
    change: { leaf: certify({ replace: { names: alternativeNames({ email: SUBJECT }) } }) },
    is: /^WRONG_SIGNER/,
  },
  { it: 'no name', change: { leaf: certify({ replace: { names: undefined } }) }, is: /^WRONG_SIGNER/ },
  {
    it: 'another issuer',
    change: {
      leaf: certify({
        replace: { issuerV1: extension(OID.issuerV1, Buffer.from('https://evil.example')), issuerV2: undefined },
      }),
    },
    is: /^WRONG_SIGNER/,
  },
  {
    it: 'case 23: two issuers',
    change: {
      leaf: certify({ replace: { issuerV1: extension(OID.issuerV1, Buffer.from('https://evil.example')) } }),
    },
    is: /^WRONG_SIGNER .*two OIDC issuers/,
  },
  {
    it: 'no issuer',
    change: { leaf: certify({ replace: { issuerV1: undefined, issuerV2: undefined } }) },
    is: /^WRONG_SIGNER/,
  },
  {
    it: 'the policy asks for another issuer',
    change: { identities: [{ ...identity, issuer: { kind: 'exact', text: 'https://gitlab.com' } }] },
    is: /^WRONG_SIGNER/,
  },
  {
    it: 'the policy asks for another name',
    change: {
      identities: [
        { ...identity, subject: { type: 'uri', matcher: { kind: 'exact', text: 'https://github.com/example' } } },
      ],
    },
    is: /^WRONG_SIGNER/,
  },
])

/** The payload with one field changed, and properly signed and logged. */
function stated(change: (payload: Json, critical: Json) => void): Change {
  const made: Json = JSON.parse(payloadOf(image.digest, REFERENCE).toString())
  change(made, made['critical'] as Json)
  return { payload: Buffer.from(JSON.stringify(made)) }
}

table('what is signed: a simple signing payload about the served bytes', [
  {
    it: 'case 35: of another type',
    change: stated((_, critical) => (critical['type'] = 'atomic container signature')),
    is: /^MALFORMED .*critical.type/,
  },
  {
    it: 'about another digest',
    change: stated((_, critical) => (critical['image'] = { 'docker-manifest-digest': aboutOtherBytes() })),
    is: /^WRONG_DIGEST/,
  },
  {
    it: 'about no digest',
    change: stated((_, critical) => (critical['image'] = {})),
    is: /^MALFORMED/,
  },
  { it: 'of nobody', change: stated((_, critical) => (critical['identity'] = {})), is: /^MALFORMED/ },
  { it: 'a field that nobody knows', change: stated(made => (made['more'] = 1)), is: /^MALFORMED/ },
  { it: 'no JSON', change: { payload: Buffer.from('x') }, is: /^MALFORMED/ },
  {
    it: 'an in-toto statement is none',
    change: { payload: Buffer.from('{"_type":"https://in-toto.io/Statement/v1"}') },
    is: /^MALFORMED/,
  },
])
