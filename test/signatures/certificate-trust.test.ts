import t from 'tap'
import {
  checkFulcioCertificate,
  checkPkiCertificate,
  parseCaCertificates,
  type CertifiedSigner,
} from '../../src/signatures/certificate-trust.ts'
import { parseCertificates } from '../../src/signatures/x509/certificate.ts'
import {
  alternativeNames,
  authority,
  basicConstraints,
  extendedKeyUsage,
  extension,
  integer,
  issue,
  keyUsage,
  OID,
  pem,
  tlv,
  utf8,
  type Authority,
  type CertificateOptions,
} from '../support/x509.ts'

const EMAIL = 'alice@example.org'
const ISSUER = 'https://accounts.example.org'
const HOUR = 3_600_000
const now = new Date()
const root = authority('root')
const intermediate = authority('intermediate', { issuer: root })
const codeSigning = [keyUsage(0x80), extendedKeyUsage(OID.codeSigning)]
const issuerV1 = extension(OID.issuerV1, Buffer.from(ISSUER))
const issuerV2 = extension(OID.issuerV2, utf8(ISSUER))
const email = alternativeNames({ email: EMAIL })

/** A leaf as Fulcio issues it, below the intermediate, with one thing changed. */
function leaf(change: Partial<CertificateOptions> = {}): Authority {
  return issue({ subject: '', issuer: intermediate, extensions: [...codeSigning, email, issuerV1], ...change })
}
const withExtensions = (...extensions: readonly Buffer[]): Authority => leaf({ extensions })

const certificates = (...authorities: readonly Authority[]) => authorities.flatMap(one => parseCertificates(pem(one)))
const words = (signer: CertifiedSigner): string => (signer.ok ? 'accepted' : signer.wrong)

function fulcio(
  certificate: Authority | string,
  options: { chain?: readonly Authority[]; roots?: readonly Authority[]; at?: Date } = {},
): string {
  const trust = { roots: certificates(...(options.roots ?? [root])), oidcIssuer: ISSUER, subjectEmail: EMAIL }
  const chainPem = (options.chain ?? [intermediate]).map(pem).join('')
  const untrusted = {
    leafPem: typeof certificate === 'string' ? certificate : pem(certificate),
    chainPem: chainPem === '' ? undefined : chainPem,
  }
  return words(checkFulcioCertificate(trust, untrusted, options.at ?? now))
}

t.test('a Fulcio certificate: who, on whose word', async t => {
  const table: readonly { it: string; leaf: Authority; is: string }[] = [
    { it: 'the issuer as version 1', leaf: leaf(), is: 'accepted' },
    { it: 'the issuer as version 2', leaf: withExtensions(...codeSigning, email, issuerV2), is: 'accepted' },
    { it: 'both, alike', leaf: withExtensions(...codeSigning, email, issuerV1, issuerV2), is: 'accepted' },
    {
      it: 'case 23: both, unlike',
      leaf: withExtensions(...codeSigning, email, issuerV1, extension(OID.issuerV2, utf8('https://other'))),
      is: 'subject',
    },
    {
      it: 'case 23: both, unlike, the newer one right',
      leaf: withExtensions(...codeSigning, email, extension(OID.issuerV1, Buffer.from('https://other')), issuerV2),
      is: 'subject',
    },
    { it: 'no issuer', leaf: withExtensions(...codeSigning, email), is: 'subject' },
    {
      it: 'another issuer',
      leaf: withExtensions(...codeSigning, email, extension(OID.issuerV1, Buffer.from(`${ISSUER}/`))),
      is: 'subject',
    },
    { it: 'case 23: the issuer twice', leaf: withExtensions(...codeSigning, email, issuerV1, issuerV1), is: 'chain' },
    {
      it: 'case 23: version 2 that is no string',
      leaf: withExtensions(...codeSigning, email, extension(OID.issuerV2, Buffer.from(ISSUER))),
      is: 'subject',
    },
    {
      it: 'case 23: version 2 that is bytes, with the right text in them',
      leaf: withExtensions(...codeSigning, email, extension(OID.issuerV2, tlv(0x04, Buffer.from(ISSUER)))),
      is: 'subject',
    },
    {
      it: 'case 23: version 2 that is a number beside a version 1 that is right',
      leaf: withExtensions(...codeSigning, email, issuerV1, extension(OID.issuerV2, integer(1))),
      is: 'subject',
    },
    {
      it: 'case 23: version 2 twice',
      leaf: withExtensions(...codeSigning, email, issuerV2, issuerV2),
      is: 'chain',
    },
    {
      it: 'case 23: version 2 with bytes after it',
      leaf: withExtensions(...codeSigning, email, extension(OID.issuerV2, Buffer.concat([utf8(ISSUER), Buffer.of(0)]))),
      is: 'subject',
    },
    {
      it: 'version 1 that is not UTF-8',
      leaf: withExtensions(...codeSigning, email, extension(OID.issuerV1, Buffer.of(0xff))),
      is: 'subject',
    },
    {
      it: 'another address',
      leaf: withExtensions(...codeSigning, alternativeNames({ email: 'bob@example.org' }), issuerV1),
      is: 'subject',
    },
    {
      it: 'the address in another case',
      leaf: withExtensions(...codeSigning, alternativeNames({ email: 'Alice@example.org' }), issuerV1),
      is: 'subject',
    },
    {
      it: 'case 22: one address of several',
      leaf: withExtensions(...codeSigning, alternativeNames({ email: 'bob@example.org' }, { email: EMAIL }), issuerV1),
      is: 'accepted',
    },
    {
      it: 'case 22: the address as a URI',
      leaf: withExtensions(...codeSigning, alternativeNames({ uri: EMAIL }), issuerV1),
      is: 'subject',
    },
    {
      it: 'case 22: the address as a host name',
      leaf: withExtensions(...codeSigning, alternativeNames({ dns: EMAIL }), issuerV1),
      is: 'subject',
    },
    {
      it: 'case 22: only another kind of name',
      leaf: withExtensions(...codeSigning, alternativeNames({ other: EMAIL }), issuerV1),
      is: 'subject',
    },
    {
      it: 'an address with a zero byte',
      leaf: withExtensions(...codeSigning, alternativeNames({ email: `${EMAIL}\0.evil` }), issuerV1),
      is: 'chain',
    },
    { it: 'no names', leaf: withExtensions(...codeSigning, issuerV1), is: 'subject' },
  ]
  for (const row of table) t.equal(fulcio(row.leaf), row.is, row.it)
})

t.test('a chain: from the leaf to a root of the policy, every link good at the time', async t => {
  const expired = authority('expired', {
    issuer: root,
    notAfter: new Date(now.getTime() - 1000),
    notBefore: new Date(now.getTime() - HOUR),
  })
  const oldRoot = authority('old root', {
    notAfter: new Date(now.getTime() - 1000),
    notBefore: new Date(now.getTime() - HOUR),
  })
  const future = authority('future', { issuer: root, notBefore: new Date(now.getTime() + 1000) })
  const noCa = issue({ subject: 'no CA', issuer: root, extensions: [basicConstraints(false)] })
  const noConstraints = issue({ subject: 'no constraints', issuer: root, extensions: [keyUsage(0x06)] })
  const noCertSign = issue({
    subject: 'no certSign',
    issuer: root,
    extensions: [basicConstraints(true), keyUsage(0x80)],
  })
  const shallow = authority('shallow', { issuer: root, extensions: [basicConstraints(true, 0), keyUsage(0x06)] })
  const below = authority('below', { issuer: shallow })
  const tls = authority('tls', {
    issuer: root,
    extensions: [basicConstraints(true), keyUsage(0x06), extendedKeyUsage(OID.serverAuth)],
  })
  const strange = authority('strange', {
    issuer: root,
    extensions: [basicConstraints(true), extension('1.2.3.4', Buffer.of(5, 0), true)],
  })
  const otherRoot = authority('root')
  const sha1 = leaf({ hash: 'sha1' })
  const table: readonly { it: string; is: string; leaf: Authority | string; options?: Parameters<typeof fulcio>[1] }[] =
    [
      { it: 'by an intermediate', leaf: leaf(), is: 'accepted' },
      { it: 'by the root itself', leaf: leaf({ issuer: root }), options: { chain: [] }, is: 'accepted' },
      { it: 'the root comes along as well', leaf: leaf(), options: { chain: [intermediate, root] }, is: 'accepted' },
      { it: 'no intermediate', leaf: leaf(), options: { chain: [] }, is: 'chain' },
      {
        it: 'case 26: its own root comes along',
        leaf: leaf({ issuer: otherRoot }),
        options: { chain: [otherRoot] },
        is: 'chain',
      },
      {
        it: 'case 25: another root of the same name beside the right one',
        leaf: leaf(),
        options: { roots: [otherRoot, root] },
        is: 'accepted',
      },
      {
        it: 'case 11: an expired intermediate',
        leaf: leaf({ issuer: expired }),
        options: { chain: [expired] },
        is: 'chain',
      },
      {
        it: 'case 11: an expired root',
        leaf: leaf({ issuer: oldRoot }),
        options: { chain: [], roots: [oldRoot] },
        is: 'chain',
      },
      {
        it: 'case 11: an expired root, at a time when it was good',
        leaf: leaf({ issuer: oldRoot }),
        options: { chain: [], roots: [oldRoot], at: new Date(now.getTime() - 60_000) },
        is: 'accepted',
      },
      {
        it: 'case 25: another intermediate of the same name before the right one',
        leaf: leaf(),
        options: { chain: [authority('intermediate', { issuer: root }), intermediate] },
        is: 'accepted',
      },
      {
        it: 'but not at the time',
        leaf: leaf({ issuer: expired }),
        options: { chain: [expired], at: new Date(now.getTime() - 60_000) },
        is: 'accepted',
      },
      { it: 'an intermediate of tomorrow', leaf: leaf({ issuer: future }), options: { chain: [future] }, is: 'chain' },
      {
        it: 'case 24: an intermediate that is no CA',
        leaf: leaf({ issuer: noCa }),
        options: { chain: [noCa] },
        is: 'chain',
      },
      {
        it: 'case 24: one without constraints',
        leaf: leaf({ issuer: noConstraints }),
        options: { chain: [noConstraints] },
        is: 'chain',
      },
      {
        it: 'case 24: one that may not sign certificates',
        leaf: leaf({ issuer: noCertSign }),
        options: { chain: [noCertSign] },
        is: 'chain',
      },
      {
        it: 'a path length that is kept',
        leaf: leaf({ issuer: shallow }),
        options: { chain: [shallow] },
        is: 'accepted',
      },
      {
        it: 'case 24: a path length that is not',
        leaf: leaf({ issuer: below }),
        options: { chain: [below, shallow] },
        is: 'chain',
      },
      {
        it: 'case 24: an intermediate for something else',
        leaf: leaf({ issuer: tls }),
        options: { chain: [tls] },
        is: 'chain',
      },
      {
        it: 'case 24: a critical extension nobody knows',
        leaf: leaf({ issuer: strange }),
        options: { chain: [strange] },
        is: 'chain',
      },
      {
        it: 'the same in the leaf',
        leaf: withExtensions(...codeSigning, email, issuerV1, extension('1.2.3.4', Buffer.of(5, 0), true)),
        is: 'chain',
      },
      {
        it: 'case 24: a leaf that is a CA',
        leaf: withExtensions(...codeSigning, email, issuerV1, basicConstraints(true)),
        is: 'chain',
      },
      {
        it: 'case 24: a leaf for something else',
        leaf: withExtensions(keyUsage(0x80), extendedKeyUsage(OID.serverAuth), email, issuerV1),
        is: 'chain',
      },
      { it: 'an expired leaf', leaf: leaf({ notAfter: new Date(now.getTime() - 1000) }), is: 'chain' },
      {
        it: 'but not at the time of the log',
        leaf: leaf({ notAfter: new Date(now.getTime() - 1000) }),
        options: { at: new Date(now.getTime() - 60_000) },
        is: 'accepted',
      },
      { it: 'before it was valid', leaf: leaf(), options: { at: new Date(now.getTime() - 2 * HOUR) }, is: 'chain' },
      { it: 'SHA-1', leaf: sha1, is: 'chain' },
      { it: 'two leaves', leaf: pem(leaf()) + pem(leaf()), is: 'chain' },
      { it: 'text before it', leaf: `x\n${pem(leaf())}`, is: 'chain' },
      { it: 'nothing', leaf: '', is: 'chain' },
      { it: 'another kind of PEM', leaf: pem(leaf()).replaceAll('CERTIFICATE', 'PUBLIC KEY'), is: 'chain' },
    ]
  for (const { it, leaf: certificate, options, is } of table) t.equal(fulcio(certificate, options), is, it)
})

t.test('a bit turned in a signature breaks the chain', async t => {
  const good = leaf()
  const der = Buffer.from(good.der)
  der.writeUInt8(der.readUInt8(der.length - 5) ^ 1, der.length - 5)
  t.equal(fulcio(good), 'accepted')
  t.equal(fulcio({ ...good, der }), 'chain')
})

t.test('a certificate of a CA of one’s own: address, host name, or both; valid now', async t => {
  const names = alternativeNames({ email: EMAIL }, { dns: 'build.example.org' }, { dns: '*.wild.example.org' })
  const check = (
    subject: { subjectEmail?: string; subjectHostname?: string },
    certificate: Authority,
    intermediates: readonly Authority[] = [intermediate],
  ): string =>
    words(
      checkPkiCertificate(
        {
          roots: certificates(root),
          intermediates: certificates(...intermediates),
          subjectEmail: subject.subjectEmail,
          subjectHostname: subject.subjectHostname,
        },
        { leafPem: pem(certificate), chainPem: undefined },
        now,
      ),
    )
  const good = withExtensions(...codeSigning, names)
  const table: readonly { it: string; subject: { subjectEmail?: string; subjectHostname?: string }; is: string }[] = [
    { it: 'the address', subject: { subjectEmail: EMAIL }, is: 'accepted' },
    { it: 'the host name', subject: { subjectHostname: 'build.example.org' }, is: 'accepted' },
    { it: 'both', subject: { subjectEmail: EMAIL, subjectHostname: 'build.example.org' }, is: 'accepted' },
    {
      it: 'another address',
      subject: { subjectEmail: 'bob@example.org', subjectHostname: 'build.example.org' },
      is: 'subject',
    },
    { it: 'another host name', subject: { subjectEmail: EMAIL, subjectHostname: 'other.example.org' }, is: 'subject' },
    { it: 'a wildcard of one label', subject: { subjectHostname: 'a.wild.example.org' }, is: 'accepted' },
    { it: 'a wildcard is not two', subject: { subjectHostname: 'a.b.wild.example.org' }, is: 'subject' },
    { it: 'the common name is no host name', subject: { subjectHostname: 'test' }, is: 'subject' },
  ]
  for (const { it, subject, is } of table) t.equal(check(subject, good), is, it)
  t.equal(check({ subjectEmail: EMAIL }, good, []), 'chain', 'without the intermediate')
  t.equal(
    check(
      { subjectEmail: EMAIL },
      leaf({ notAfter: new Date(now.getTime() - 1000), extensions: [...codeSigning, names] }),
    ),
    'chain',
    'expired',
  )
  t.equal(
    check({ subjectEmail: EMAIL }, withExtensions(keyUsage(0x80), names)),
    'accepted',
    'no extended key usage is any',
  )
})

t.test('CA files of a policy', async t => {
  t.equal(parseCaCertificates(Buffer.from(pem(root) + pem(intermediate)), 'ca.pem').length, 2)
  for (const text of ['', 'x', pem(root).replace('BEGIN', 'BEGIN X'), `${pem(root)}junk`]) {
    t.throws(
      () => parseCaCertificates(Buffer.from(text), 'ca.pem'),
      { name: 'TrustMaterialError' },
      JSON.stringify(text.slice(0, 20)),
    )
  }
})

t.test('case 225: a hundred certificates in one text are read, and one more makes it none', async t => {
  t.equal(parseCertificates(pem(root).repeat(100)).length, 100)
  t.throws(() => parseCertificates(pem(root).repeat(101)), { name: 'CertificateError' })
})
