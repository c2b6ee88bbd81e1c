import t from 'tap'
import { parseCertificate } from '../../../src/signatures/x509/certificate.ts'
import { verifyChain } from '../../../src/signatures/x509/chain.ts'
import {
  alternativeNames,
  authority,
  basicConstraints,
  extension,
  issue,
  keyUsage,
  nameConstraints,
  oid,
  sequence,
  tlv,
  type Authority,
  type Name,
} from '../../support/x509.ts'

const root = authority('root')
const constrained = (constraints: Buffer, issuer: Authority = root): Authority =>
  authority('constrained', { issuer, extensions: [basicConstraints(true), keyUsage(0x06), constraints] })

function accepts(leafNames: readonly Name[], ...authorities: readonly Authority[]): boolean {
  const leaf = issue({ subject: '', issuer: authorities[0] ?? root, extensions: [alternativeNames(...leafNames)] })
  return verifyChain({
    leaf: parseCertificate(leaf.der),
    untrustedIntermediates: authorities.map(({ der }) => parseCertificate(der)),
    roots: [parseCertificate(root.der)],
    at: new Date(),
  }).ok
}

type Row = {
  readonly it: string
  readonly permitted?: readonly Name[]
  readonly excluded?: readonly Name[]
  readonly names: readonly Name[]
  readonly is: boolean
}

const email = (text: string): Name => ({ email: text })
const dns = (text: string): Name => ({ dns: text })
const uri = (text: string): Name => ({ uri: text })
const good = { permitted: [email('good.org')] }

const table: readonly Row[] = [
  { it: 'an address of the domain', ...good, names: [email('a@good.org')], is: true },
  { it: 'in another case', ...good, names: [email('a@GOOD.org')], is: true },
  { it: 'of another domain', ...good, names: [email('a@evil.org')], is: false },
  { it: 'of a domain that ends alike', ...good, names: [email('a@evilgood.org')], is: false },
  { it: 'one good, one not', ...good, names: [email('a@good.org'), email('a@evil.org')], is: false },
  { it: 'another kind of name is free', ...good, names: [dns('evil.org')], is: true },
  { it: 'no address at all', ...good, names: [email('good.org')], is: false },
  { it: 'two @', ...good, names: [email('a@evil.org@good.org')], is: false },
  { it: 'quotes', ...good, names: [email('"a@evil.org"@good.org')], is: false },
  { it: 'only this address', permitted: [email('a@good.org')], names: [email('a@good.org')], is: true },
  { it: 'its local part in another case', permitted: [email('a@good.org')], names: [email('A@good.org')], is: false },
  { it: 'another of the domain', permitted: [email('a@good.org')], names: [email('b@good.org')], is: false },
  { it: 'only below', permitted: [email('.good.org')], names: [email('a@x.good.org')], is: true },
  { it: 'not below', permitted: [email('.good.org')], names: [email('a@good.org')], is: false },
  { it: 'an excluded domain', excluded: [email('evil.org')], names: [email('a@evil.org')], is: false },
  { it: 'below an excluded domain', excluded: [email('evil.org')], names: [email('a@x.evil.org')], is: false },
  { it: 'beside an excluded domain', excluded: [email('evil.org')], names: [email('a@good.org')], is: true },
  { it: 'excluded beats permitted', ...good, excluded: [email('x@good.org')], names: [email('x@good.org')], is: false },
  { it: 'everything excluded', excluded: [email('')], names: [email('a@good.org')], is: false },
  { it: 'a host', permitted: [dns('good.org')], names: [dns('a.good.org')], is: true },
  { it: 'another host', permitted: [dns('good.org')], names: [dns('good.org.evil.org')], is: false },
  { it: 'an empty label', permitted: [dns('good.org')], names: [dns('a..good.org')], is: false },
  { it: 'a URI', permitted: [uri('good.org')], names: [uri('https://good.org:8443/x')], is: true },
  { it: 'a URI of another host', permitted: [uri('good.org')], names: [uri('https://evil.org/good.org')], is: false },
  {
    it: 'a URI with somebody before @',
    permitted: [uri('good.org')],
    names: [uri('https://good.org@evil.org')],
    is: false,
  },
  { it: 'a URI without a host', permitted: [uri('good.org')], names: [uri('urn:good.org')], is: false },
  { it: 'a URI of an address', excluded: [uri('evil.org')], names: [uri('https://10.0.0.1/')], is: false },
  { it: 'a URI of an IPv6 address', excluded: [uri('evil.org')], names: [uri('https://[::1]/')], is: false },
  { it: 'an IP address', permitted: [{ ip: [10, 0, 0, 0, 255, 0, 0, 0] }], names: [{ ip: [10, 1, 2, 3] }], is: true },
  {
    it: 'of another network',
    permitted: [{ ip: [10, 0, 0, 0, 255, 0, 0, 0] }],
    names: [{ ip: [11, 1, 2, 3] }],
    is: false,
  },
  { it: 'no address may be', excluded: [{ ip: [0, 0, 0, 0, 0, 0, 0, 0] }], names: [{ ip: [1, 2, 3, 4] }], is: false },
  { it: 'and none is', excluded: [{ ip: [0, 0, 0, 0, 0, 0, 0, 0] }], names: [email('a@good.org')], is: true },
  { it: 'a kind that nobody here compares', permitted: [{ other: 'x' }], names: [email('a@good.org')], is: false },
]

t.test('case 24: a CA certifies the names that it is for, whether the constraint is critical or not', async t => {
  for (const critical of [true, false]) {
    for (const { it, names, is, ...constraints } of table) {
      t.equal(accepts(names, constrained(nameConstraints(constraints, critical))), is, `${it}, critical ${critical}`)
    }
  }
})

t.test('a constraint holds for everything below, not only for what the CA itself certifies', async t => {
  const above = constrained(nameConstraints(good))
  const below = authority('below', { issuer: above })
  t.equal(accepts([email('a@good.org')], below, above), true)
  t.equal(accepts([email('a@evil.org')], below, above), false)
})

t.test('so many names and constraints that comparing them is an attack are refused', async t => {
  const many = (count: number): readonly Name[] =>
    Array.from({ length: count }, (_, index) => email(`a${index}@good.org`))
  const permitted = [...Array.from({ length: 99 }, (_, index) => email(`x${index}.org`)), email('good.org')]
  t.equal(accepts(many(100), constrained(nameConstraints({ permitted }))), true)
  t.equal(accepts(many(101), constrained(nameConstraints({ permitted }))), false)
})

t.test('constraints that cannot be read are none that are met', async t => {
  const raw = (value: Buffer): Buffer => extension('2.5.29.30', value)
  const subtree = tlv(0x81, Buffer.from('good.org'))
  const bounded = sequence(tlv(0xa0, sequence(subtree, tlv(0x80, Buffer.of(1)))))
  for (const [it, value] of [
    ['empty', sequence()],
    ['another list', sequence(tlv(0xa2, sequence(subtree)))],
    ['a minimum', bounded],
    ['a name of no kind', sequence(tlv(0xa0, sequence(oid('1.2.3'))))],
    ['no DER', Buffer.from('x')],
  ] as const) {
    t.throws(() => accepts([email('a@good.org')], constrained(raw(value))), { name: 'CertificateError' }, it)
  }
})
