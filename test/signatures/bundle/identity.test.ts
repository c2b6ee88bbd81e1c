import t from 'tap'
import type { CertificateIdentity } from '../../../src/policy/sigstore-identity-requirement.ts'
import { checkBundle } from '../../../src/signatures/bundle/check-bundle.ts'
import { parseTrustedRoot } from '../../../src/signatures/trusted-root.ts'
import {
  aboutOtherBytes,
  certify,
  ctKeys,
  intermediate,
  ISSUER,
  makeBundle,
  MEDIA_TYPE_1,
  minutes,
  now,
  root,
  startTsa,
  statementAbout,
  SUBJECT,
  trustedRootOf,
  type BundleOptions,
  type EntryKind,
  type EntryOptions,
  type Json,
} from '../../support/local-sigstore.ts'
import { imageOf } from '../../support/signer.ts'
import {
  alternativeNames,
  authority,
  basicConstraints,
  extendedKeyUsage,
  extension,
  newKeys,
  OID,
  utf8,
  type Authority,
  type Name,
} from '../../support/x509.ts'

const image = imageOf('identity').manifest
const tsa = await startTsa()
const identities: readonly [CertificateIdentity] = [
  { issuer: { kind: 'exact', text: ISSUER }, subject: { type: 'uri', matcher: { kind: 'exact', text: SUBJECT } } },
]

type Change = {
  readonly leaf?: Authority
  readonly bundle?: Partial<BundleOptions>
  readonly entry?: EntryOptions
  readonly root?: (root: Json) => void
  readonly identities?: readonly [CertificateIdentity, ...CertificateIdentity[]]
  readonly now?: Date
}

/** A keyless bundle of this sigstore, with one thing changed before or after it is signed, and what becomes of it. */
async function check(change: Change = {}): Promise<string> {
  const leaf = change.leaf ?? certify()
  const untrustedBytes = await makeBundle({
    by: { keys: leaf.keys, certificate: leaf },
    statement: statementAbout(image.digest),
    entries: [change.entry ?? {}],
    ...change.bundle,
  })
  const checked = checkBundle({
    untrustedBytes,
    subject: { bytes: image.bytes, digest: image.digest },
    trust: {
      by: 'identity',
      trustedRoot: parseTrustedRoot(trustedRootOf([tsa], change.root), 'root'),
      identities: change.identities ?? identities,
    },
    now: change.now ?? now,
  })
  return checked.verified
    ? `verified ${checked.signature.signer}`
    : `${checked.rejection.code} ${checked.rejection.message}`
}
const good = `verified ${SUBJECT} (${ISSUER})`
const proofAndStamp = {
  entry: { with: 'proof' },
  bundle: { timestamps: async signature => [await tsa.stamp(signature)] },
} as const satisfies Change

t.test('what cosign makes in CI verifies', async t => {
  const kinds: readonly EntryKind[] = [
    'hashedrekord 0.0.1',
    'hashedrekord 0.0.2',
    'dsse 0.0.1',
    'dsse 0.0.2',
    'intoto 0.0.2',
  ]
  for (const kind of kinds) t.equal(await check({ entry: { kind } }), good, kind)
  t.equal(await check({ ...proofAndStamp, entry: { with: 'proof', kind: 'hashedrekord 0.0.2' } }), good, 'Rekor v2')
  t.equal(
    await check({ entry: { with: 'promise' }, bundle: { mediaType: MEDIA_TYPE_1 } }),
    good,
    'version 0.1, with a chain and a promise',
  )
  t.equal(await check({ bundle: proofAndStamp.bundle }), good, 'two times')
})

t.test('a certificate by the trusted authority for the trusted identity', async t => {
  const stranger = authority('fulcio', { notBefore: minutes(-600), notAfter: minutes(600) })
  const names = (...list: readonly Name[]): Authority => certify({ replace: { names: alternativeNames(...list) } })
  const table: readonly { it: string; change: Change; is: RegExp | string }[] = [
    {
      it: 'case 26: another authority of the same name',
      change: { leaf: certify({ issuer: stranger }) },
      is: /^UNTRUSTED_SIGNER/,
    },
    {
      it: 'case 26: its own authority',
      change: { leaf: certify({ issuer: undefined, subject: 'fulcio' } as never) },
      is: /^UNTRUSTED_SIGNER/,
    },
    {
      it: 'expired when it signed',
      change: { leaf: certify({ notBefore: minutes(-20), notAfter: minutes(-10) }) },
      is: /^UNTRUSTED_SIGNER/,
    },
    {
      it: 'not yet valid when it signed',
      change: { leaf: certify({ notBefore: minutes(2) }) },
      is: /^UNTRUSTED_SIGNER/,
    },
    {
      it: 'L (d), case 24: not for code signing',
      change: { leaf: certify({ replace: { extendedKeyUsage: extendedKeyUsage(OID.serverAuth) } }) },
      is: /^UNTRUSTED_SIGNER .*not for code signing/,
    },
    {
      it: 'case 24: for anything, since it names no usage',
      change: { leaf: certify({ replace: { extendedKeyUsage: undefined } }) },
      is: /^UNTRUSTED_SIGNER .*not for code signing/,
    },
    {
      it: 'case 24: for anything, since it says so',
      change: { leaf: certify({ replace: { extendedKeyUsage: extendedKeyUsage('2.5.29.37.0') } }) },
      is: /^UNTRUSTED_SIGNER .*not for code signing/,
    },
    {
      it: 'L (d), case 24: a critical extension that nobody knows',
      change: { leaf: certify({ add: [extension('1.2.3.4.5', utf8('x'), true)] }) },
      is: /^UNTRUSTED_SIGNER .*not understood/,
    },
    {
      it: 'L (d), case 24: a CA as signer',
      change: { leaf: certify({ add: [basicConstraints(true)] }) },
      is: /^UNTRUSTED_SIGNER .*is a CA/,
    },
    {
      it: 'no promise of a CT log',
      change: { leaf: certify({ ctLog: undefined } as never) },
      is: /^UNTRUSTED_SIGNER .*SCT/,
    },
    {
      it: 'a promise of another CT log',
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
    { it: 'L (c), case 20: a longer name', change: { leaf: names({ uri: `${SUBJECT}x` }) }, is: /^WRONG_SIGNER/ },
    {
      it: 'L (c), case 20: the name as a query of another',
      change: { leaf: names({ uri: `https://evil.example/?${SUBJECT}` }) },
      is: /^WRONG_SIGNER/,
    },
    {
      it: 'L (c), case 20: a dot is a dot',
      change: { leaf: names({ uri: SUBJECT.replace('github.com', 'githubXcom') }) },
      is: /^WRONG_SIGNER/,
    },
    { it: 'case 22: the name as an e-mail address', change: { leaf: names({ email: SUBJECT }) }, is: /^WRONG_SIGNER/ },
    { it: 'case 22: the name as a host name', change: { leaf: names({ dns: SUBJECT }) }, is: /^WRONG_SIGNER/ },
    { it: 'case 22: the name as something else', change: { leaf: names({ other: SUBJECT }) }, is: /^WRONG_SIGNER/ },
    {
      it: 'case 22: one of two names',
      change: { leaf: names({ email: 'a@example.org' }, { uri: SUBJECT }) },
      is: good,
    },
    { it: 'case 20: no name', change: { leaf: certify({ replace: { names: undefined } }) }, is: /^WRONG_SIGNER/ },
    {
      it: 'L (c): another issuer',
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
  ]
  for (const { it, change, is } of table) {
    const found = await check(change)
    if (typeof is === 'string') t.equal(found, is, it)
    else t.match(found, is, it)
  }
})

t.test('case 21: what the policy asks for, issuer and name of the same identity', async t => {
  const [identity] = identities
  const other: CertificateIdentity = {
    issuer: { kind: 'exact', text: 'https://gitlab.example' },
    subject: identity.subject,
  }
  const otherName: CertificateIdentity = {
    issuer: identity.issuer,
    subject: { type: 'uri', matcher: { kind: 'exact', text: 'https://github.com/example/other' } },
  }
  t.match(await check({ identities: [other] }), /^WRONG_SIGNER/, 'another issuer')
  t.match(await check({ identities: [otherName] }), /^WRONG_SIGNER/, 'another name')
  t.match(await check({ identities: [other, otherName] }), /^WRONG_SIGNER/, 'each half of it in another identity')
  t.equal(await check({ identities: [other, identity] }), good, 'any one of them')
  const pattern = (text: string): CertificateIdentity => ({
    issuer: identity.issuer,
    subject: { type: 'uri', matcher: { kind: 'pattern', pattern: text } },
  })
  t.equal(
    await check({ identities: [pattern('https://github.com/example/*/.github/workflows/release.yml@refs/heads/*')] }),
    good,
    'by pattern',
  )
  t.match(await check({ identities: [pattern('https://github.com/example/*')] }), /^WRONG_SIGNER/, 'a pattern is whole')
})

t.test('when it was signed', async t => {
  const stamps = (...times: readonly Date[]): Partial<BundleOptions> => ({
    timestamps: signature => Promise.all(times.map(time => tsa.stamp(signature, time))),
  })
  const retire = (made: Json): void => {
    const [first] = made['timestampAuthorities'] as Json[]
    if (first !== undefined) first['validFor'] = { start: '2020-01-01T00:00:00Z', end: '2021-01-01T00:00:00Z' }
  }
  const stranger = await startTsa()
  const inSeries = async (change: Change): Promise<string> => check(change)
  t.match(await inSeries({ entry: { with: 'proof' } }), /^NOT_LOGGED .*timestamps/, 'case 5, 19: a proof has no time')
  t.match(
    await check({
      entry: { with: 'proof', change: entry => (entry['integratedTime'] = String(minutes(0).getTime() / 1000)) },
    }),
    /^NOT_LOGGED .*timestamps/,
    'case 5: a time that nobody has signed',
  )
  t.match(await check({ now: minutes(-6) }), /^NOT_LOGGED .*future/, 'L (b), case 4: logged in the future')
  t.equal(await check({ now: minutes(-4) }), good, 'a clock may be a little late')
  t.match(
    await check({ ...proofAndStamp, now: minutes(-6) }),
    /^NOT_LOGGED .*future/,
    'L (b): timestamped in the future',
  )
  t.match(
    await check({ bundle: stamps(minutes(-20)) }),
    /^UNTRUSTED_SIGNER/,
    'case 7: a second time at which the certificate was not valid',
  )
  t.match(
    await check({ entry: { integratedAt: minutes(20) }, now: minutes(60) }),
    /^UNTRUSTED_SIGNER/,
    'logged when the certificate had expired',
  )
  t.match(await check({ ...proofAndStamp, root: retire }), /^NOT_LOGGED/, 'case 8: an authority that was retired')
  t.match(
    await check({
      entry: { with: 'proof' },
      bundle: { timestamps: async signature => [await stranger.stamp(signature)] },
    }),
    /^NOT_LOGGED/,
    'by an authority that is not trusted',
  )
  t.match(
    await check({
      entry: { with: 'proof' },
      bundle: { timestamps: async () => [await tsa.stamp(Buffer.from('other'))] },
    }),
    /^NOT_LOGGED/,
    'case 10: over another signature',
  )
  t.match(
    await check({ bundle: { timestamps: async () => [await tsa.stamp(Buffer.from('other'))] } }),
    /^NOT_LOGGED/,
    'a bad timestamp beside a good time',
  )
  t.match(await check({ bundle: { entries: [], ...stamps(minutes(0)) } }), /^NOT_LOGGED/, 'a timestamp and no log')
  t.match(
    await check({ entry: {}, bundle: { entries: [{ change: entry => delete entry['inclusionPromise'] }] } }),
    /^NOT_LOGGED/,
    'a promise taken out takes the time with it',
  )
})

t.test('authorities have their time, all of the chain', async t => {
  const end = (made: Json): void => {
    const [first] = made['certificateAuthorities'] as Json[]
    if (first !== undefined) first['validFor'] = { start: '2020-01-01T00:00:00Z', end: '2021-01-01T00:00:00Z' }
  }
  t.match(await check({ root: end }), /^UNTRUSTED_SIGNER/, 'an authority that was retired')
  const expired = authority('expired', { issuer: root, notBefore: minutes(-600), notAfter: minutes(-60) })
  const withExpired = (made: Json): void => {
    const [first] = made['certificateAuthorities'] as { certChain: { certificates: Json[] } }[]
    first?.certChain.certificates.unshift({ rawBytes: expired.der.toString('base64') })
  }
  t.match(
    await check({ leaf: certify({ issuer: expired }), root: withExpired }),
    /^UNTRUSTED_SIGNER/,
    'case 11: an intermediate that had expired',
  )
  const narrow = authority('narrow', {
    issuer: intermediate,
    notBefore: minutes(-600),
    notAfter: minutes(600),
    extensions: [basicConstraints(true, 0)],
  })
  t.match(await check({ leaf: certify({ issuer: narrow }) }), /^UNTRUSTED_SIGNER/, 'an intermediate nobody brought')
})

t.test('case 25: authorities of the same name are told apart by their keys', async t => {
  const lasting = { notBefore: minutes(-600), notAfter: minutes(600) }
  const twin = authority('fulcio', { issuer: root, ...lasting })
  const rawBytes = ({ der }: Authority): Json => ({ rawBytes: der.toString('base64') })
  const inOneChain =
    (...chain: readonly Authority[]) =>
    (made: Json): void => {
      const [first] = made['certificateAuthorities'] as Json[]
      if (first !== undefined) first['certChain'] = { certificates: chain.map(rawBytes) }
    }
  const apart = (made: Json): void => {
    const list = made['certificateAuthorities'] as Json[]
    list.unshift({ ...list[0], certChain: { certificates: [twin, root].map(rawBytes) } })
  }
  for (const change of [inOneChain(twin, intermediate, root), inOneChain(intermediate, twin, root), apart]) {
    t.equal(await check({ root: change }), good, 'of the one')
    t.equal(await check({ root: change, leaf: certify({ issuer: twin }) }), good, 'of the other')
  }
})

t.test('case 26: what a bundle brings along is no authority', async t => {
  const stranger = authority('fulcio', { notBefore: minutes(-600), notAfter: minutes(600) })
  const leaf = certify({ issuer: stranger })
  const chainOf = (...chain: readonly Authority[]): Change => ({
    leaf,
    entry: { with: 'promise' },
    bundle: {
      mediaType: MEDIA_TYPE_1,
      change: made => {
        const certificates = chain.map(({ der }) => ({ rawBytes: der.toString('base64') }))
        const material = made['verificationMaterial'] as Json
        material['x509CertificateChain'] = { certificates }
      },
    },
  })
  t.match(await check(chainOf(leaf, stranger)), /^UNTRUSTED_SIGNER/, 'its own root')
  t.match(await check(chainOf(leaf, stranger, intermediate, root)), /^UNTRUSTED_SIGNER/, 'and the trusted ones')
  t.match(await check(chainOf(root)), /^UNTRUSTED_SIGNER/, 'the trusted root as the signer')
  t.match(await check(chainOf()), /^MALFORMED .*no certificate/, 'an empty chain')
})

t.test('and what it says: only the served bytes, only a signature', async t => {
  const statement = (change: (statement: Json) => void): Partial<BundleOptions> => {
    const made = statementAbout(image.digest)
    change(made)
    return { statement: made }
  }
  t.match(
    await check({ bundle: { statement: statementAbout(aboutOtherBytes()) } }),
    /^WRONG_DIGEST/,
    'L (e), case 28: about another image',
  )
  t.match(await check({ bundle: { payloadType: 'text/plain' } }), /^MALFORMED/, 'L (e), case 28: another payload type')
  t.match(
    await check({ bundle: statement(made => (made['predicateType'] = 'https://slsa.dev/provenance/v1')) }),
    /^MALFORMED .*attestation/,
    'L (e), case 29: an attestation',
  )
  t.equal(
    await check({ entry: { kind: 'hashedrekord 0.0.1' }, bundle: { message: image.bytes } }),
    good,
    'a message signature',
  )
  t.match(
    await check({ entry: { kind: 'hashedrekord 0.0.1' }, bundle: { message: Buffer.from('other bytes') } }),
    /^UNTRUSTED_SIGNER/,
    'a message signature over other bytes',
  )
})

t.test('L (h), cases 26 and 31: whatever the library throws is a refusal', async t => {
  const der = certify().der
  const rawBytes = (bytes: Buffer): Partial<BundleOptions> => ({
    change: made => {
      const material = made['verificationMaterial'] as Json
      material['certificate'] = { rawBytes: bytes.toString('base64') }
    },
  })
  const table: readonly (readonly [string, Change])[] = [
    ['a timestamp that is no DER', { bundle: { timestamps: async () => [Buffer.from('no DER')] } }],
    ['an empty sequence', { bundle: { timestamps: async () => [Buffer.of(0x30, 0)] } }],
    ['a response without a token', { bundle: { timestamps: async () => [Buffer.from('30053003020102', 'hex')] } }],
    ['a cut timestamp', { bundle: { timestamps: async signature => [(await tsa.stamp(signature)).subarray(0, -40)] } }],
    ['a certificate that is none', { bundle: rawBytes(Buffer.from('no DER')) }],
    ['a cut certificate', { bundle: rawBytes(der.subarray(0, -10)) }],
    [
      'a CT promise that is none',
      { leaf: certify({ add: [extension('1.3.6.1.4.1.11129.2.4.2', utf8('x'))], ctLog: undefined } as never) },
    ],
  ]
  for (const [it, change] of table) t.match(await check(change), /^(?:MALFORMED|NOT_LOGGED|UNTRUSTED_SIGNER) /, it)
  t.match(
    await check({ bundle: rawBytes(Buffer.concat([der, Buffer.of(0)])) }),
    /^MALFORMED its certificate cannot be used/,
    'case 48: a byte after the certificate',
  )
})

t.test('a trusted root of which something is missing trusts less, not more', async t => {
  const without = (key: string) => (made: Json) => (made[key] = [])
  t.match(await check({ ...proofAndStamp, root: without('timestampAuthorities') }), /^NOT_LOGGED/)
  for (const key of ['tlogs', 'ctlogs', 'certificateAuthorities']) {
    t.throws(() => parseTrustedRoot(trustedRootOf([], without(key)), 'root'), { code: 'MALFORMED' }, key)
  }
})

t.test('a bundle of a key, or with two certificates, is none', async t => {
  const keys = newKeys()
  t.match(await check({ bundle: { by: { keys } } }), /^UNTRUSTED_SIGNER .*no certificate/)
  const leaf = certify()
  t.match(
    await check({ bundle: { by: { keys, certificate: leaf } } }),
    /^UNTRUSTED_SIGNER .*not made with/,
    'another key',
  )
})
