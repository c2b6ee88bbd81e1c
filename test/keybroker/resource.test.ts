import t from 'tap'
import { parseAaKbcParams } from '../../src/keybroker/aa-kbc-params.ts'
import { asKbs, asNamed, defaultResource } from '../../src/keybroker/default-resources.ts'
import { formatResource, kbsPath, kbsUri, parseKbsUri, parseResourceName } from '../../src/keybroker/resource.ts'

t.test('kbs URIs (case 190)', async t => {
  const long = 'a'.repeat(128)
  const table: readonly (readonly [uri: string, path: string | RegExp])[] = [
    ['kbs:///default/cosign-public-key/test', '/default/cosign-public-key/test'],
    ['kbs:///a.b/c_d/E-9', '/a.b/c_d/E-9'],
    ['kbs:///.../a/b', '/.../a/b'],
    [`kbs:///a/b/${long}`, `/a/b/${long}`],
    ['kbs://allowed.example:8080/a/b/c', '/a/b/c'],
    [`kbs:///a/b/${long}a`, /has the part/],
    ['kbs:///a/b/../../c', /not of the form/],
    ['kbs:///a/../c', /has the part "\.\."/],
    ['kbs:///a/./c', /has the part "\."/],
    ['kbs:///a/b', /not of the form/],
    ['kbs:///a/b/c/d', /not of the form/],
    ['kbs:///a/b/c/', /not of the form/],
    ['kbs:////b/c', /has the part ""/],
    ['kbs:///a//c', /has the part ""/],
    ['kbs:///a/b/', /has the part ""/],
    ['kbs:///', /not of the form/],
    ['kbs://', /not of the form/],
    ['kbs://evil:8080/a/b/c', /names the host "evil:8080"/],
    ['kbs://user@allowed.example:8080/a/b/c', /names the host/],
    ['kbs://ALLOWED.example:8080/a/b/c', /names the host/],
    ['kbs://a/b/c', /names the host/],
    ['kbs:///a/b/c?version=1', /query or fragment/],
    ['kbs:///a/b/c#x', /query or fragment/],
    ['kbs:///a/b/c%2e', /percent/],
    ['kbs:///a/b%2Fc/d', /percent/],
    ['kbs:///a/b\\c/d', /has the part/],
    ['kbs:///a/b/c\n', /has the part/],
    ['kbs:///a/b/ c', /has the part/],
    ['kbs:///a/b/ç', /has the part/],
    ['KBS:///a/b/c', /not a kbs/],
    ['kbs:/a/b/c', /not a kbs/],
    ['kbs+plugin:///a/b/c', /not a kbs/],
    ['file:///etc/shadow', /not a kbs/],
    ['/a/b/c', /not a kbs/],
    ['', /not a kbs/],
  ]
  for (const [uri, expected] of table) {
    const parsed = parseKbsUri(uri, ['allowed.example:8080'])
    if (typeof expected === 'string') {
      t.equal(parsed.ok && kbsPath(parsed.value), expected, uri)
      t.equal(parsed.ok && kbsUri(parsed.value), uri, 'and back')
    } else t.match(parsed.ok ? 'taken' : parsed.problem, expected, JSON.stringify(uri))
  }
})

t.test('resource names as configured', async t => {
  const table: readonly (readonly [text: string, expected: string | RegExp])[] = [
    ['Policy', '"Policy"'],
    ['Cosign Key', '"Cosign Key"'],
    ['default/cosign-public-key/test', '"default/cosign-public-key/test"'],
    ['kbs:///a/b/c', 'kbs:///a/b/c'],
    ['kbs:///a/b', /not of the form/],
    ['/a/b/c', /neither/],
    ['file:///a', /neither/],
    ['', /not a resource's name/],
    [' Policy', /not a resource's name/],
    ['Policy\n', /not a resource's name/],
    ['Pol\u202eicy', /not a resource's name/],
  ]
  for (const [text, expected] of table) {
    const parsed = parseResourceName(text)
    if (typeof expected === 'string') t.equal(parsed.ok && formatResource(parsed.value), expected, text)
    else t.match(parsed.ok ? 'taken' : parsed.problem, expected, JSON.stringify(text))
  }
})

t.test('both names of a thing', async t => {
  const table = [
    ['policy', 'Policy', '/default/security-policy/test'],
    ['cosign-key', 'Cosign Key', '/default/cosign-public-key/test'],
    ['gpg-keyring', 'GPG Keyring', '/default/gpg-public-config/test'],
    ['sigstore-config', 'Sigstore Config', '/default/sigstore-config/test'],
  ] as const
  for (const [kind, name, path] of table) {
    t.equal(defaultResource(kind, 'name').name, name)
    t.equal(kbsPath(defaultResource(kind, 'kbs')), path)
    t.same(asNamed(defaultResource(kind, 'kbs')), { ok: true, value: { kind: 'name', name } })
    const kbs = asKbs({ kind: 'name', name })
    t.equal(kbs.ok && kbsPath(kbs.value), path)
  }
  const other = parseKbsUri('kbs:///default/cosign-public-key/other')
  t.match(other.ok && asNamed(other.value), { ok: false, problem: /no name that an agent of 2022 knows/ })
  t.match(asKbs({ kind: 'name', name: 'cosign key' }), { ok: false, problem: /"cosign key" is a name of 2022/ })
})

t.test('aa_kbc_params', async t => {
  const table: readonly (readonly [text: string, expected: readonly [string, string] | RegExp])[] = [
    ['offline_fs_kbc::null', ['offline_fs_kbc', 'null']],
    ['cc_kbc::http://127.0.0.1:8080', ['cc_kbc', 'http://127.0.0.1:8080']],
    ['cc_kbc::http://[::1]:8080', ['cc_kbc', 'http://[::1]:8080']],
    ['eaa_kbc::127.0.0.1:50000', ['eaa_kbc', '127.0.0.1:50000']],
    ['offline_fs_kbc', /no "::"/],
    ['offline_fs_kbc:null', /no "::"/],
    ['', /no "::"/],
    ['::null', /nothing before/],
    ['offline_fs_kbc::', /nothing after/],
    ['offline fs::null', /KBC name/],
    ['offline_fs_kbc:: null', /blanks/],
    ['offline_fs_kbc::null\n', /blanks/],
    ['provider:attestation-agent:offline_fs_kbc::null', /does not belong here/],
  ]
  for (const [text, expected] of table) {
    const parsed = parseAaKbcParams(text)
    if (expected instanceof RegExp) t.match(parsed.ok ? 'taken' : parsed.problem, expected, JSON.stringify(text))
    else t.same(parsed.ok && [parsed.value.kbcName, parsed.value.kbsUri], expected, text)
  }
})
