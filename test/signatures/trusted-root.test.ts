import t from 'tap'
import { TrustMaterialError } from '../../src/signatures/trust-material-error.ts'
import { parseTrustedRoot } from '../../src/signatures/trusted-root.ts'
import { intermediate, root, startTsa, trustedRootOf, type Json } from '../support/local-sigstore.ts'
import { authority, basicConstraints, extendedKeyUsage, issue, keyUsage, OID } from '../support/x509.ts'

const tsa = await startTsa()

/** Changes one place in a tree of objects and lists; undefined takes it out. */
function at(path: string, value: unknown): (tree: Json) => void {
  return tree => {
    const steps = path.split('.')
    const last = steps.pop() ?? ''
    let place: Json = tree
    for (const step of steps) place = place[step] as Json
    if (value === undefined) delete place[last]
    else place[last] = value
  }
}
const certificates = (...ders: readonly Buffer[]): readonly Json[] =>
  ders.map(der => ({ rawBytes: der.toString('base64') }))

function problemWith(bytes: Buffer): string | undefined {
  try {
    parseTrustedRoot(bytes, 'trusted_root.json')
    return undefined
  } catch (error) {
    if (!(error instanceof TrustMaterialError)) throw error
    t.equal(error.code, 'MALFORMED')
    return error.message
  }
}

t.test('a whole one', async t => {
  const parsed = parseTrustedRoot(trustedRootOf([tsa]), 'trusted_root.json')
  t.match(parsed, { logs: [{ baseUrl: 'https://rekor.example.org' }], ctLogs: [{}] })
  t.equal(parsed.certificateAuthorities[0]?.chain.length, 2)
  t.equal(parsed.timestampAuthorities[0]?.chain.length, 2)
  const versions = ['+json;version=0.1', '+json;version=0.2', '.v0.2+json']
  for (const version of versions) {
    const changed = trustedRootOf([tsa], at('mediaType', `application/vnd.dev.sigstore.trustedroot${version}`))
    t.equal(problemWith(changed), undefined, version)
  }
  t.equal(problemWith(trustedRootOf([])), undefined, 'without timestamp authorities')
})

t.test('L (g): one thing changed, and it is none', async t => {
  const shortLived = issue({ issuer: root, extensions: [keyUsage(0x80), extendedKeyUsage(OID.codeSigning)] })
  const ca = authority('tsa')
  const tsaCa = issue({
    issuer: ca,
    extensions: [basicConstraints(true), extendedKeyUsage('1.3.6.1.5.5.7.3.8')],
  })
  const [leaf = Buffer.alloc(0)] = tsa.chain
  const table: readonly { it: string; change: (tree: Json) => void; is: RegExp }[] = [
    { it: 'case 70: a log without a start', change: at('tlogs.0.publicKey.validFor.start', undefined), is: /start/ },
    { it: 'case 70: a log without a validity', change: at('tlogs.0.publicKey.validFor', undefined), is: /validFor/ },
    {
      it: 'case 70: a CT log without a start',
      change: at('ctlogs.0.publicKey.validFor.start', undefined),
      is: /start/,
    },
    {
      it: 'case 70: a CA without a start',
      change: at('certificateAuthorities.0.validFor.start', undefined),
      is: /start/,
    },
    {
      it: 'case 70: a TSA without a start',
      change: at('timestampAuthorities.0.validFor.start', undefined),
      is: /start/,
    },
    { it: 'a start that is no time', change: at('tlogs.0.publicKey.validFor.start', 'yesterday'), is: /not a time/ },
    {
      it: 'a start in another zone',
      change: at('tlogs.0.publicKey.validFor.start', '2026-01-01T00:00:00+01:00'),
      is: /not a time/,
    },
    {
      it: 'an end before its start',
      change: at('tlogs.0.publicKey.validFor.end', '1999-01-01T00:00:00Z'),
      is: /ends before/,
    },
    { it: 'a log without an id', change: at('tlogs.0.logId', undefined), is: /logId/ },
    { it: 'a short id', change: at('tlogs.0.logId.keyId', 'YWJjZA=='), is: /32 bytes/ },
    { it: 'two ids', change: at('tlogs.0.checkpointKeyId', { keyId: 'YWJjZA==' }), is: /checkpointKeyId/ },
    { it: 'a key of an unknown kind', change: at('tlogs.0.publicKey.keyDetails', 'PKIX_DSA'), is: /keyDetails/ },
    { it: 'a key that is none', change: at('tlogs.0.publicKey.rawBytes', 'YWJjZA=='), is: /not a public key/ },
    { it: 'another hash', change: at('tlogs.0.hashAlgorithm', 'SHA1'), is: /SHA2_256/ },
    { it: 'no logs', change: at('tlogs', []), is: /no transparency log/ },
    { it: 'no CT logs', change: at('ctlogs', undefined), is: /certificate transparency/ },
    { it: 'no authorities', change: at('certificateAuthorities', []), is: /no certificate authority/ },
    { it: 'case 8: an empty chain', change: at('certificateAuthorities.0.certChain.certificates', []), is: /empty/ },
    {
      it: 'a signer as authority',
      change: at('certificateAuthorities.0.certChain.certificates', certificates(shortLived.der, root.der)),
      is: /no CA/,
    },
    {
      it: 'case 9: a TSA that is not for timestamps',
      change: at('timestampAuthorities.0.certChain.certificates', certificates(shortLived.der, root.der)),
      is: /timeStamping/,
    },
    {
      it: 'case 9: a TSA that is a CA',
      change: at('timestampAuthorities.0.certChain.certificates', certificates(tsaCa.der, ca.der)),
      is: /timeStamping/,
    },
    {
      it: 'a TSA without its CA',
      change: at('timestampAuthorities.0.certChain.certificates', certificates(leaf)),
      is: /no CA/,
    },
    {
      it: 'a certificate that is none',
      change: at('certificateAuthorities.0.certChain.certificates.0.rawBytes', 'YWJjZA=='),
      is: /not a certificate/,
    },
    {
      it: 'a byte after a certificate',
      change: at(
        'certificateAuthorities.0.certChain.certificates.0.rawBytes',
        Buffer.concat([intermediate.der, Buffer.of(0)]).toString('base64'),
      ),
      is: /not a certificate|not DER/,
    },
    { it: 'another document', change: at('mediaType', 'application/json'), is: /not a trusted root/ },
    { it: 'a field that is none', change: at('extra', 1), is: /extra/ },
  ]
  for (const { it, change, is } of table) t.match(problemWith(trustedRootOf([tsa], change)), is, it)
  t.match(problemWith(Buffer.from('<html>')), /trusted_root\.json is no usable trusted root/)
  const twice = trustedRootOf([tsa]).toString().replace('"tlogs"', '"tlogs":[],"tlogs"')
  t.match(problemWith(Buffer.from(twice)), /tlogs/, 'a key twice')
})
