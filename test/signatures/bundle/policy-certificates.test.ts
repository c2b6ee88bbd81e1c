import t from 'tap'
import { checkBundle, type BundleTrust } from '../../../src/signatures/bundle/check-bundle.ts'
import { trustedKeyOf } from '../../../src/signatures/public-key.ts'
import { parseCertificates } from '../../../src/signatures/x509/certificate.ts'
import {
  aboutOtherBytes,
  certify,
  ISSUER,
  makeBundle,
  MEDIA_TYPE_1,
  minutes,
  now,
  rekorKeys,
  root,
  statementAbout,
  intermediate,
  type BundleOptions,
} from '../../support/local-sigstore.ts'
import { imageOf } from '../../support/signer.ts'
import { alternativeNames, authority, newKeys, pem, type Authority } from '../../support/x509.ts'

const EMAIL = 'alice@example.org'
const image = imageOf('certificates').manifest
const alice = (change: Parameters<typeof certify>[0] = {}): Authority =>
  certify({ replace: { names: alternativeNames({ email: EMAIL }) }, ...change })

const fulcio = {
  by: 'fulcio',
  trust: { roots: parseCertificates(pem(root) + pem(intermediate)), oidcIssuer: ISSUER, subjectEmail: EMAIL },
  rekorKeys: [trustedKeyOf(rekorKeys.publicKey, 'rekor.pub')],
} as const satisfies BundleTrust
const pki = {
  by: 'pki',
  trust: {
    roots: parseCertificates(pem(root)),
    intermediates: parseCertificates(pem(intermediate)),
    subjectEmail: EMAIL,
    subjectHostname: undefined,
  },
} as const satisfies BundleTrust

async function check(
  trust: BundleTrust,
  change: { leaf?: Authority; bundle?: Partial<BundleOptions>; now?: Date } = {},
): Promise<string> {
  const leaf = change.leaf ?? alice()
  const untrustedBytes = await makeBundle({
    by: { keys: leaf.keys, certificate: leaf },
    statement: statementAbout(image.digest),
    entries: [{}],
    ...change.bundle,
  })
  const subject = { bytes: image.bytes, digest: image.digest }
  const checked = checkBundle({ untrustedBytes, subject, trust, now: change.now ?? now })
  return checked.verified ? 'verified' : `${checked.rejection.code} ${checked.rejection.message}`
}

t.test('case 21: fulcio of a policy.json: every field, and the log', async t => {
  const { trust } = fulcio
  const stranger = authority('fulcio root')
  const onlyRoot = { ...fulcio, trust: { ...trust, roots: parseCertificates(pem(root)) } }
  t.equal(await check(fulcio), 'verified')
  t.equal(await check(onlyRoot, { bundle: { mediaType: MEDIA_TYPE_1, entries: [{ with: 'promise' }] } }), 'verified')
  t.match(await check(onlyRoot), /^UNTRUSTED_SIGNER/, 'version 0.3 brings no intermediate')
  const table: readonly (readonly [string, BundleTrust, RegExp])[] = [
    ['another CA', { ...fulcio, trust: { ...trust, roots: parseCertificates(pem(stranger)) } }, /^UNTRUSTED_SIGNER/],
    ['another issuer', { ...fulcio, trust: { ...trust, oidcIssuer: `${ISSUER}/` } }, /^WRONG_SIGNER/],
    ['another address', { ...fulcio, trust: { ...trust, subjectEmail: 'bob@example.org' } }, /^WRONG_SIGNER/],
    ['case 20: a pattern is a text', { ...fulcio, trust: { ...trust, subjectEmail: '.*' } }, /^WRONG_SIGNER/],
    ['another log', { ...fulcio, rekorKeys: [trustedKeyOf(newKeys().publicKey, 'x')] }, /^NOT_LOGGED/],
  ]
  for (const [it, changed, is] of table) t.match(await check(changed), is, it)
  t.match(await check(fulcio, { bundle: { entries: [] } }), /^NOT_LOGGED/, 'no entry')
  t.match(await check(fulcio, { bundle: { entries: [{ with: 'proof' }] } }), /^NOT_LOGGED/, 'no time')
  const unsigned = String(minutes(0).getTime() / 1000)
  t.match(
    await check(fulcio, {
      bundle: { entries: [{ with: 'proof', change: entry => (entry['integratedTime'] = unsigned) }] },
    }),
    /^NOT_LOGGED/,
    'case 5: a time that nobody has signed',
  )
  t.match(
    await check(fulcio, { bundle: { entries: [{ integratedAt: minutes(20) }] }, now: minutes(60) }),
    /^UNTRUSTED_SIGNER/,
    'logged when the certificate had expired',
  )
  t.match(await check(fulcio, { bundle: { statement: statementAbout(aboutOtherBytes()) } }), /^WRONG_DIGEST/)
  t.match(await check(fulcio, { bundle: { by: { keys: newKeys() } } }), /^UNTRUSTED_SIGNER/, 'no certificate')
})

t.test('case 21: pki of a policy.json: every field, and valid now', async t => {
  const { trust } = pki
  t.equal(await check(pki, { now: minutes(1) }), 'verified')
  t.equal(await check(pki, { now: minutes(1), bundle: { entries: [] } }), 'verified', 'no log is asked')
  t.match(await check(pki), /^UNTRUSTED_SIGNER/, 'expired now, whatever a log says')
  t.match(
    await check({ ...pki, trust: { ...trust, subjectEmail: 'bob@example.org' } }, { now: minutes(1) }),
    /^WRONG_SIGNER/,
  )
  t.match(
    await check({ ...pki, trust: { ...trust, subjectHostname: 'example.org' } }, { now: minutes(1) }),
    /^WRONG_SIGNER/,
  )
  t.match(await check({ ...pki, trust: { ...trust, intermediates: [] } }, { now: minutes(1) }), /^UNTRUSTED_SIGNER/)
  const stranger = authority('fulcio root', { notBefore: minutes(-600), notAfter: minutes(600) })
  const roots = parseCertificates(pem(stranger))
  t.match(await check({ ...pki, trust: { ...trust, roots } }, { now: minutes(1) }), /^UNTRUSTED_SIGNER/, 'another CA')
})

t.test('case 26: a root that a bundle brings along is none', async t => {
  const stranger = authority('fulcio root', { notBefore: minutes(-600), notAfter: minutes(600) })
  const leaf = alice({ issuer: stranger })
  const bundle: Partial<BundleOptions> = {
    mediaType: MEDIA_TYPE_1,
    entries: [{ with: 'promise' }],
    change: made => {
      const certificates = [leaf, stranger].map(({ der }) => ({ rawBytes: der.toString('base64') }))
      made['verificationMaterial'] = { ...Object(made['verificationMaterial']), x509CertificateChain: { certificates } }
    },
  }
  t.match(await check(fulcio, { leaf, bundle }), /^UNTRUSTED_SIGNER/)
  t.match(await check(pki, { leaf, bundle, now: minutes(1) }), /^UNTRUSTED_SIGNER/)
})

t.test('pki is good until the certificate ends; what a log has vouched for has no end', async t => {
  const leaf = alice()
  const untrustedBytes = await makeBundle({
    by: { keys: leaf.keys, certificate: leaf },
    statement: statementAbout(image.digest),
    entries: [{}],
  })
  const args = { untrustedBytes, subject: { bytes: image.bytes, digest: image.digest }, now: minutes(1) }
  const end = parseCertificates(pem(leaf))[0].notAfter
  for (const [trust, goodUntil] of [
    [pki, end],
    [fulcio, undefined],
  ] as const) {
    const checked = checkBundle({ ...args, trust })
    t.same(checked.verified && checked.signature.goodUntil, goodUntil)
  }
})
