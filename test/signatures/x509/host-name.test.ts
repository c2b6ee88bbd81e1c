import t from 'tap'
import { parseCertificate } from '../../../src/signatures/x509/certificate.ts'
import { isForHost } from '../../../src/signatures/x509/host-name.ts'
import { alternativeNames, issue, type Name } from '../../support/x509.ts'

const certificateFor = (...names: readonly Name[]) =>
  parseCertificate(issue({ subject: 'common.example.org', extensions: [alternativeNames(...names)] }).der)

t.test('a host name is held against a certificate as Go’s VerifyHostname does', async t => {
  const dns = (name: string): Name => ({ dns: name })
  const table: readonly { it: string; names: readonly Name[]; host: string; is: boolean }[] = [
    { it: 'the name', names: [dns('a.example.org')], host: 'a.example.org', is: true },
    { it: 'one of several', names: [dns('b.example.org'), dns('a.example.org')], host: 'a.example.org', is: true },
    { it: 'none of several', names: [dns('b.example.org'), dns('c.example.org')], host: 'a.example.org', is: false },
    { it: 'in another case', names: [dns('A.example.org')], host: 'a.EXAMPLE.org', is: true },
    { it: 'with a dot at the end', names: [dns('a.example.org')], host: 'a.example.org.', is: true },
    { it: 'the end of a name', names: [dns('evil-a.example.org')], host: 'a.example.org', is: false },
    { it: 'a name below', names: [dns('x.a.example.org')], host: 'a.example.org', is: false },
    {
      it: 'a leading dot does not mean any host below',
      names: [dns('a.example.org')],
      host: '.example.org',
      is: false,
    },
    { it: 'the common name', names: [dns('a.example.org')], host: 'common.example.org', is: false },
    { it: '* for the first label', names: [dns('*.example.org')], host: 'a.example.org', is: true },
    { it: '* for no label', names: [dns('*.example.org')], host: 'example.org', is: false },
    { it: '* for two labels', names: [dns('*.example.org')], host: 'a.b.example.org', is: false },
    { it: '* within a label', names: [dns('a*.example.org')], host: 'ab.example.org', is: false },
    { it: '* in the middle', names: [dns('a.*.org')], host: 'a.example.org', is: false },
    { it: '* for an empty label', names: [dns('*.example.org')], host: '.example.org', is: false },
    { it: '* before a name of one label', names: [dns('*.localhost')], host: 'localhost', is: false },
    { it: '* alone', names: [dns('*')], host: 'localhost', is: false },
    { it: 'a pattern asked for is no pattern', names: [dns('a.example.org')], host: '*.example.org', is: false },
    { it: 'a DNS name that looks like an address', names: [dns('10.0.0.1')], host: '10.0.0.1', is: false },
    { it: 'an address', names: [{ ip: [10, 0, 0, 1] }], host: '10.0.0.1', is: true },
    { it: 'an address in brackets', names: [{ ip: [10, 0, 0, 1] }], host: '[10.0.0.1]', is: true },
    { it: 'another address', names: [{ ip: [10, 0, 0, 2] }], host: '10.0.0.1', is: false },
    { it: 'IPv6', names: [{ ip: [...Array<number>(15).fill(0), 1] }], host: '::1', is: true },
    {
      it: 'IPv6 written out, in brackets',
      names: [{ ip: [...Array<number>(15).fill(0), 1] }],
      host: '[0:0::1]',
      is: true,
    },
    { it: '* is for no address', names: [dns('*.0.0.1')], host: '10.0.0.1', is: false },
    { it: 'an e-mail address', names: [{ email: 'a.example.org' }], host: 'a.example.org', is: false },
    { it: 'a URI', names: [{ uri: 'https://a.example.org' }], host: 'a.example.org', is: false },
    { it: 'nothing', names: [{ other: 'x' }], host: '', is: false },
  ]
  for (const { it, names, host, is } of table) t.equal(isForHost(certificateFor(...names), host), is, it)
})
