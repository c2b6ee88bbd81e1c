import t from 'tap'
import { checkBundle, type BundleTrust } from '../../../src/signatures/bundle/check-bundle.ts'
import { trustedKeyOf } from '../../../src/signatures/public-key.ts'
import { parseTrustedRoot } from '../../../src/signatures/trusted-root.ts'
import { parseCertificates } from '../../../src/signatures/x509/certificate.ts'
import {
  certify,
  intermediate,
  ISSUER,
  makeBundle,
  minutes,
  now,
  rekorKeys,
  root,
  statementAbout,
  SUBJECT,
  trustedRootOf,
  type BundleOptions,
  type EntryOptions,
  type Json,
} from '../../support/local-sigstore.ts'
import { imageOf } from '../../support/signer.ts'
import { handmadeTsa, type ResponseOptions } from '../../support/timestamp-authority.ts'
import { alternativeNames, authority, newKeys, pem, type Authority } from '../../support/x509.ts'

/** When a keyless signature was made, and who may say so. The certificate is good from five minutes before to five after. */
const image = imageOf('signing time').manifest
const EMAIL = 'alice@example.org'
const lasting = { notBefore: minutes(-1000), notAfter: minutes(1000) }
const tsa = handmadeTsa(lasting)
const secondTsa = handmadeTsa(lasting)
const later = minutes(60)

type Change = {
  readonly leaf?: Authority
  readonly entries?: readonly EntryOptions[]
  readonly stamps?: BundleOptions['timestamps']
  readonly root?: (root: Json) => void
  readonly now?: Date
}

async function bundleOf(change: Change, leaf: Authority): Promise<Buffer> {
  return makeBundle({
    by: { keys: leaf.keys, certificate: leaf },
    statement: statementAbout(image.digest),
    entries: change.entries ?? [{}],
    ...(change.stamps && { timestamps: change.stamps }),
  })
}

function verdict(untrustedBytes: Buffer, trust: BundleTrust, at: Date): string {
  const checked = checkBundle({ untrustedBytes, subject: { bytes: image.bytes, digest: image.digest }, trust, now: at })
  return checked.verified ? 'verified' : `${checked.rejection.code} ${checked.rejection.message}`
}

/** By a trusted root with two timestamp authorities, and an identity. */
async function check(change: Change = {}): Promise<string> {
  const trustedRoot = parseTrustedRoot(trustedRootOf([tsa, secondTsa], change.root), 'root')
  const trust: BundleTrust = {
    by: 'identity',
    trustedRoot,
    identities: [
      { issuer: { kind: 'exact', text: ISSUER }, subject: { type: 'uri', matcher: { kind: 'exact', text: SUBJECT } } },
    ],
  }
  return verdict(await bundleOf(change, change.leaf ?? certify()), trust, change.now ?? now)
}

/** By the `fulcio` of a policy.json. */
async function checkFulcio(change: Change = {}, log = rekorKeys): Promise<string> {
  const trust: BundleTrust = {
    by: 'fulcio',
    trust: { roots: parseCertificates(pem(root) + pem(intermediate)), oidcIssuer: ISSUER, subjectEmail: EMAIL },
    rekorKeys: [...new Set([rekorKeys, log])].map(({ publicKey }) => trustedKeyOf(publicKey, 'rekor.pub')),
  }
  const leaf = certify({ replace: { names: alternativeNames({ email: EMAIL }) } })
  return verdict(await bundleOf(change, leaf), trust, change.now ?? now)
}

const stamp =
  (options: Partial<ResponseOptions> = {}, by = tsa): NonNullable<BundleOptions['timestamps']> =>
  async signature => [by.respond(signature, { when: minutes(0), ...options })]
const PROOF: readonly EntryOptions[] = [{ with: 'proof' }]
const inRoot = (list: string, index: number, change: (one: Json) => void) => (made: Json) => {
  const one = (made[list] as Json[])[index]
  if (one === undefined) throw new Error(`the root has no ${list} ${index}`)
  change(one)
}
const retired = { start: '2020-01-01T00:00:00Z', end: '2021-01-01T00:00:00Z' }

t.test('what is changed below verifies as it is', async t => {
  t.equal(await check(), 'verified')
  t.equal(await check({ entries: PROOF, stamps: stamp() }), 'verified')
  t.equal(await check({ entries: PROOF, stamps: stamp({}, secondTsa) }), 'verified')
  t.equal(await checkFulcio(), 'verified')
})

t.test('cases 1, 2 and 6: a genuine entry about something else gives no time, whoever is trusted', async t => {
  const foreign = JSON.parse((await bundleOf({}, certify())).toString()) as Json
  const [entry] = (foreign['verificationMaterial'] as Json)['tlogEntries'] as Json[]
  const spliced: EntryOptions = { change: own => Object.assign(own, entry) }
  for (const [it, entries] of [
    ['in its place', [spliced]],
    ['beside its own without a time', [{ with: 'proof' }, spliced]],
  ] as const) {
    t.match(await check({ entries }), /^NOT_LOGGED .*about/, it)
    t.match(await check({ entries, stamps: stamp() }), /^NOT_LOGGED .*about/, `${it}, and a timestamp`)
    t.match(await checkFulcio({ entries }), /^NOT_LOGGED .*about/, `${it}, by fulcio`)
  }
})

t.test('case 5: a time that is not the one that the log has signed', async t => {
  const integratedTime = String(minutes(0).getTime() / 1000)
  const entries = [{ integratedAt: minutes(20), change: (entry: Json) => (entry['integratedTime'] = integratedTime) }]
  t.match(await check({ entries, now: later }), /^NOT_LOGGED/)
  t.match(await checkFulcio({ entries, now: later }), /^NOT_LOGGED/)
})

t.test('case 7: the certificate is good at every time, not at the earliest nor the latest', async t => {
  const log = newKeys()
  for (const [it, minute] of [
    ['a later time, when it had expired', 20],
    ['an earlier time, before it was issued', -20],
  ] as const) {
    const when = minutes(minute)
    t.match(await check({ stamps: stamp({ when }), now: later }), /^UNTRUSTED_SIGNER/, `${it}: timestamp and log`)
    const stamps = async (signature: Buffer) => [
      tsa.respond(signature, { when }),
      secondTsa.respond(signature, { when: minutes(0) }),
    ]
    t.match(await check({ entries: PROOF, stamps, now: later }), /^UNTRUSTED_SIGNER/, `${it}: two authorities`)
    const entries = [{}, { log, integratedAt: when }]
    t.match(await checkFulcio({ entries, now: later }, log), /^UNTRUSTED_SIGNER/, `${it}: two logs, by fulcio`)
  }
  t.equal(await checkFulcio({ entries: [{}, { log, integratedAt: minutes(1) }] }, log), 'verified', 'both are good')
})

t.test('case 8: the window is that of the authority that has signed', async t => {
  const retire = inRoot('timestampAuthorities', 0, one => (one['validFor'] = retired))
  t.match(await check({ entries: PROOF, stamps: stamp(), root: retire }), /^NOT_LOGGED/, 'beside one that is in force')
  t.equal(await check({ entries: PROOF, stamps: stamp({}, secondTsa), root: retire }), 'verified', 'which may')
  const named = stamp({ signer: secondTsa.leaf })
  t.match(await check({ entries: PROOF, stamps: named, root: retire }), /^NOT_LOGGED/, 'under the name of the other')
  const empty = inRoot('timestampAuthorities', 0, one => (one['certChain'] = { certificates: [] }))
  t.throws(() => parseTrustedRoot(trustedRootOf([tsa, secondTsa], empty), 'root'), /must not be empty/, 'no chain')
})

t.test('case 8: nor does a CA have the window of another', async t => {
  const next = authority('fulcio root', lasting)
  const replaced = (made: Json): void => {
    const authorities = made['certificateAuthorities'] as Json[]
    const [first] = authorities
    authorities.push({ ...first, certChain: { certificates: [{ rawBytes: next.der.toString('base64') }] } })
    authorities[0] = { ...first, validFor: retired }
  }
  t.match(await check({ root: replaced }), /^UNTRUSTED_SIGNER/)
  t.equal(await check({ root: replaced, leaf: certify({ issuer: next }) }), 'verified')
})

t.test('case 9: certificates in the bag of a timestamp change nothing', async t => {
  const forged = handmadeTsa(lasting)
  const bag = [forged.leaf.der, ...forged.chain, tsa.leaf.der]
  t.equal(
    await check({ entries: PROOF, stamps: stamp({ bag }) }),
    'verified',
    'beside the signature of the trusted one',
  )
  for (const signer of [tsa.leaf, forged.leaf]) {
    t.match(await check({ entries: PROOF, stamps: stamp({ bag, signer }, forged) }), /^NOT_LOGGED/, 'of a stranger')
  }
})

t.test('case 10: a timestamp is over this signature, with the hash that it says', async t => {
  for (const hash of ['sha256', 'sha384', 'sha512'] as const) {
    t.equal(await check({ entries: PROOF, stamps: stamp({ hash }) }), 'verified', hash)
    const stamps = async () => [tsa.respond(Buffer.from('other'), { when: minutes(0), hash })]
    t.match(await check({ entries: PROOF, stamps }), /^NOT_LOGGED/, `${hash}, over something else`)
  }
})

t.test('case 11: the whole chain was good, the root as well', async t => {
  const oldRoot = authority('old root', { notBefore: minutes(-600), notAfter: minutes(-1) })
  const below = authority('below', { issuer: oldRoot, ...lasting })
  const withOld = inRoot('certificateAuthorities', 0, one => {
    one['certChain'] = { certificates: [below, oldRoot].map(({ der }) => ({ rawBytes: der.toString('base64') })) }
  })
  const leaf = certify({ issuer: below })
  t.match(await check({ leaf, root: withOld }), /^UNTRUSTED_SIGNER/)
  const early = { entries: [{ integratedAt: minutes(-2) }] }
  t.equal(await check({ leaf, root: withOld, ...early }), 'verified', 'a minute before it ended')
})

t.test('case 12: the key of a log has its time, with a promise and with a proof', async t => {
  const ended = inRoot('tlogs', 0, log => {
    log['publicKey'] = {
      ...(log['publicKey'] as Json),
      validFor: { start: '2020-01-01T00:00:00Z', end: minutes(-1).toISOString() },
    }
  })
  t.match(await check({ root: ended }), /^NOT_LOGGED/, 'a promise')
  t.match(await check({ entries: PROOF, stamps: stamp(), root: ended }), /^NOT_LOGGED/, 'a proof and a timestamp')
  const before = { entries: PROOF, stamps: stamp({ when: minutes(-2) }), root: ended }
  t.equal(await check(before), 'verified', 'a proof, timestamped before the end')
})
