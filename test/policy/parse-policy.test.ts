import t from 'tap'
import { formatProblem } from '../../src/json/decode.ts'
import { parsePolicy } from '../../src/policy/parse-policy.ts'

const parse = (value: unknown) => parsePolicy(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)))
const problemsOf = (value: unknown): readonly string[] => {
  const parsed = parse(value)
  return parsed.ok ? [] : parsed.problems.map(formatProblem)
}
/** A policy with one requirement, in the scope example.org. */
const withRequirement = (requirement: unknown): object => ({
  default: [{ type: 'reject' }],
  transports: { docker: { 'example.org': [requirement] } },
})
const AT = 'transports.docker["example.org"][0]'
const DATA = Buffer.from('-----BEGIN PUBLIC KEY-----').toString('base64')
const FULCIO = { caPath: 'ca.pem', oidcIssuer: 'https://issuer', subjectEmail: 'a@example.org' }
const PKI = { caRootsPath: 'roots.pem', subjectEmail: 'a@example.org' }

t.test('requirements that are taken', async t => {
  const table: readonly { it: string; requirement: object }[] = [
    { it: 'insecureAcceptAnything', requirement: { type: 'insecureAcceptAnything' } },
    { it: 'reject', requirement: { type: 'reject' } },
    { it: 'signedBaseLayer', requirement: { type: 'signedBaseLayer', baseLayerIdentity: { type: 'matchExact' } } },
    { it: 'signedBy keyPath', requirement: { type: 'signedBy', keyType: 'GPGKeys', keyPath: 'k' } },
    { it: 'signedBy keyPaths', requirement: { type: 'signedBy', keyType: 'GPGKeys', keyPaths: ['a', 'b'] } },
    { it: 'signedBy keyData', requirement: { type: 'signedBy', keyType: 'GPGKeys', keyData: DATA } },
    { it: 'signedBy other key types', requirement: { type: 'signedBy', keyType: 'X509Certificates', keyPath: 'k' } },
    { it: 'keyPath', requirement: { type: 'sigstoreSigned', keyPath: '/run/cosign.pub' } },
    { it: 'keyPaths', requirement: { type: 'sigstoreSigned', keyPaths: ['a', 'b'] } },
    { it: 'keyData', requirement: { type: 'sigstoreSigned', keyData: DATA } },
    {
      it: 'keyData with line ends',
      requirement: { type: 'sigstoreSigned', keyData: `${DATA.slice(0, 8)}\r\n${DATA.slice(8)}` },
    },
    { it: 'keyDatas', requirement: { type: 'sigstoreSigned', keyDatas: [DATA, DATA] } },
    { it: 'a key and a Rekor key', requirement: { type: 'sigstoreSigned', keyPath: 'k', rekorPublicKeyPath: 'r' } },
    { it: 'a key and Rekor keys', requirement: { type: 'sigstoreSigned', keyPath: 'k', rekorPublicKeyDatas: [DATA] } },
    { it: 'fulcio', requirement: { type: 'sigstoreSigned', fulcio: FULCIO, rekorPublicKeyPath: 'r' } },
    {
      it: 'fulcio with caData',
      requirement: {
        type: 'sigstoreSigned',
        fulcio: { ...FULCIO, caPath: undefined, caData: DATA },
        rekorPublicKeyData: DATA,
      },
    },
    { it: 'pki', requirement: { type: 'sigstoreSigned', pki: PKI } },
    {
      it: 'pki with all',
      requirement: { type: 'sigstoreSigned', pki: { ...PKI, caIntermediatesPath: 'i', subjectHostname: 'h' } },
    },
    ...['matchExact', 'matchRepoDigestOrExact', 'matchRepository'].map(type => ({
      it: type,
      requirement: { type: 'sigstoreSigned', keyPath: 'k', signedIdentity: { type } },
    })),
    {
      it: 'exactReference',
      requirement: {
        type: 'sigstoreSigned',
        keyPath: 'k',
        signedIdentity: { type: 'exactReference', dockerReference: 'example.org/a:1' },
      },
    },
    {
      it: 'exactRepository',
      requirement: {
        type: 'sigstoreSigned',
        keyPath: 'k',
        signedIdentity: { type: 'exactRepository', dockerRepository: 'example.org/a' },
      },
    },
    {
      it: 'remapIdentity',
      requirement: {
        type: 'sigstoreSigned',
        keyPath: 'k',
        signedIdentity: { type: 'remapIdentity', prefix: 'a.example/x', signedPrefix: 'b.example' },
      },
    },
  ]
  for (const { it, requirement } of table) t.same(problemsOf(withRequirement(requirement)), [], it)
})

t.test('requirements that are not, each with the path of what is wrong (case 188)', async t => {
  const table: readonly { it: string; requirement: unknown; says: string | RegExp }[] = [
    { it: 'no object', requirement: 'reject', says: `${AT}: expected an object` },
    { it: 'no type', requirement: {}, says: `${AT}: missing key "type"` },
    { it: 'a type that is no string', requirement: { type: 1 }, says: `${AT}.type: expected a string` },
    {
      it: 'an unknown type',
      requirement: { type: 'accept' },
      says: `${AT}.type: there is no requirement type "accept"`,
    },
    {
      it: 'prototype names are no types',
      requirement: { type: '__proto__' },
      says: `${AT}.type: there is no requirement type`,
    },
    { it: 'an unknown key', requirement: { type: 'reject', keyPath: 'x' }, says: `${AT}: unknown key "keyPath"` },
    { it: 'a typo', requirement: { type: 'sigstoreSigned', keypath: 'x' }, says: `${AT}: unknown key "keypath"` },
    {
      it: 'signedBaseLayer without identity',
      requirement: { type: 'signedBaseLayer' },
      says: `${AT}: missing key "baseLayerIdentity"`,
    },
    {
      it: 'signedBy without keyType',
      requirement: { type: 'signedBy', keyPath: 'k' },
      says: `${AT}: missing key "keyType"`,
    },
    {
      it: 'an unknown keyType',
      requirement: { type: 'signedBy', keyType: 'PGP', keyPath: 'k' },
      says: `${AT}.keyType: must be one of`,
    },
    {
      it: 'signedBy without keys',
      requirement: { type: 'signedBy', keyType: 'GPGKeys' },
      says: `${AT}: needs its key`,
    },
    {
      it: 'signedBy with two',
      requirement: { type: 'signedBy', keyType: 'GPGKeys', keyPath: 'a', keyData: DATA },
      says: `${AT}: only one of`,
    },
    {
      it: 'signedBy keyDatas',
      requirement: { type: 'signedBy', keyType: 'GPGKeys', keyDatas: [DATA] },
      says: `${AT}: unknown key "keyDatas"`,
    },
    { it: 'no key at all', requirement: { type: 'sigstoreSigned' }, says: `${AT}: exactly one of` },
    {
      it: 'two kinds of keys',
      requirement: { type: 'sigstoreSigned', keyPath: 'a', keyPaths: ['b'] },
      says: `${AT}: only one of`,
    },
    {
      it: 'a key and fulcio',
      requirement: { type: 'sigstoreSigned', keyPath: 'a', fulcio: FULCIO, rekorPublicKeyPath: 'r' },
      says: `${AT}: exactly one of`,
    },
    {
      it: 'an empty keyPath',
      requirement: { type: 'sigstoreSigned', keyPath: '' },
      says: `${AT}.keyPath: must not be empty`,
    },
    {
      it: 'empty keyPaths',
      requirement: { type: 'sigstoreSigned', keyPaths: [] },
      says: `${AT}.keyPaths: must not be empty`,
    },
    {
      it: 'an empty path in keyPaths',
      requirement: { type: 'sigstoreSigned', keyPaths: ['a', ''] },
      says: `${AT}.keyPaths[1]: must not be empty`,
    },
    {
      it: 'keyPaths that is no list',
      requirement: { type: 'sigstoreSigned', keyPaths: 'a' },
      says: `${AT}.keyPaths: expected an array`,
    },
    {
      it: 'keyData that is the PEM itself',
      requirement: { type: 'sigstoreSigned', keyData: '-----BEGIN PUBLIC KEY-----' },
      says: /keyData: is not base64; it looks like the PEM itself/,
    },
    {
      it: 'keyData without padding',
      requirement: { type: 'sigstoreSigned', keyData: 'YQ' },
      says: `${AT}.keyData: is not base64`,
    },
    {
      it: 'keyData in the URL alphabet',
      requirement: { type: 'sigstoreSigned', keyData: '_-_-' },
      says: `${AT}.keyData: is not base64`,
    },
    {
      it: 'two kinds of Rekor keys',
      requirement: { type: 'sigstoreSigned', keyPath: 'a', rekorPublicKeyPath: 'r', rekorPublicKeyData: DATA },
      says: `${AT}: only one of rekor`,
    },
    {
      it: 'fulcio without Rekor (case 66)',
      requirement: { type: 'sigstoreSigned', fulcio: FULCIO },
      says: `${AT}: fulcio needs a rekorPublicKey`,
    },
    {
      it: 'fulcio without CA',
      requirement: { type: 'sigstoreSigned', fulcio: { oidcIssuer: 'i', subjectEmail: 'e' }, rekorPublicKeyPath: 'r' },
      says: `${AT}.fulcio: needs its CA`,
    },
    {
      it: 'fulcio without issuer',
      requirement: { type: 'sigstoreSigned', fulcio: { caPath: 'c', subjectEmail: 'e' }, rekorPublicKeyPath: 'r' },
      says: `${AT}.fulcio: missing key "oidcIssuer"`,
    },
    {
      it: 'fulcio with an empty e-mail',
      requirement: { type: 'sigstoreSigned', fulcio: { ...FULCIO, subjectEmail: '' }, rekorPublicKeyPath: 'r' },
      says: `${AT}.fulcio.subjectEmail: must not be empty`,
    },
    {
      it: 'pki with a Rekor key',
      requirement: { type: 'sigstoreSigned', pki: PKI, rekorPublicKeyPath: 'r' },
      says: `${AT}: rekorPublicKey… cannot be combined with pki`,
    },
    {
      it: 'pki without a subject',
      requirement: { type: 'sigstoreSigned', pki: { caRootsPath: 'r' } },
      says: `${AT}.pki: at least one of`,
    },
    {
      it: 'pki without roots',
      requirement: { type: 'sigstoreSigned', pki: { subjectEmail: 'e' } },
      says: `${AT}.pki: needs its CA root`,
    },
    {
      it: 'an unknown identity',
      requirement: { type: 'sigstoreSigned', keyPath: 'k', signedIdentity: { type: 'any' } },
      says: `${AT}.signedIdentity.type: there is no identity type "any"`,
    },
    {
      it: 'an identity with more',
      requirement: { type: 'sigstoreSigned', keyPath: 'k', signedIdentity: { type: 'matchExact', x: 1 } },
      says: `${AT}.signedIdentity: unknown key "x"`,
    },
    {
      it: 'exactReference of a name',
      requirement: {
        type: 'sigstoreSigned',
        keyPath: 'k',
        signedIdentity: { type: 'exactReference', dockerReference: 'example.org/a' },
      },
      says: `${AT}.signedIdentity.dockerReference: needs a tag or a digest`,
    },
    {
      it: 'exactReference of nonsense',
      requirement: {
        type: 'sigstoreSigned',
        keyPath: 'k',
        signedIdentity: { type: 'exactReference', dockerReference: 'A B' },
      },
      says: `${AT}.signedIdentity.dockerReference: "A B" is not an image reference`,
    },
    {
      it: 'remapIdentity with a tag',
      requirement: {
        type: 'sigstoreSigned',
        keyPath: 'k',
        signedIdentity: { type: 'remapIdentity', prefix: 'a.example/x:1', signedPrefix: 'b' },
      },
      says: `${AT}.signedIdentity.prefix: `,
    },
    {
      it: 'remapIdentity with an upper-case path (case 100)',
      requirement: {
        type: 'sigstoreSigned',
        keyPath: 'k',
        signedIdentity: { type: 'remapIdentity', prefix: 'a.example', signedPrefix: 'b/X' },
      },
      says: `${AT}.signedIdentity.signedPrefix: `,
    },
    ...['exam_ple.org', '*.a.example', '', '/x', 'a.example/'].map(prefix => ({
      it: `remapIdentity from ${JSON.stringify(prefix)}, which is no host and no path below one (case 100)`,
      requirement: {
        type: 'sigstoreSigned',
        keyPath: 'k',
        signedIdentity: { type: 'remapIdentity', prefix, signedPrefix: 'b.example' },
      },
      says: `${AT}.signedIdentity.prefix: `,
    })),
    {
      it: 'remapIdentity without signedPrefix',
      requirement: {
        type: 'sigstoreSigned',
        keyPath: 'k',
        signedIdentity: { type: 'remapIdentity', prefix: 'a.example' },
      },
      says: `${AT}.signedIdentity: missing key "signedPrefix"`,
    },
  ]
  for (const { it, requirement, says } of table) {
    const problems = problemsOf(withRequirement(requirement))
    const isSaid = problems.some(problem => (typeof says === 'string' ? problem.startsWith(says) : says.test(problem)))
    t.ok(isSaid, `${it}: ${problems.join(' | ')}`)
    t.ok(
      problems.every(problem => /\(line \d+, column \d+\)$/.test(problem)),
      'with line and column',
    )
  }
})

t.test('the document around them (cases 88, 89, 199)', async t => {
  const reject = '[{"type":"reject"}]'
  const table: readonly { it: string; text: string; ok: boolean }[] = [
    { it: 'only a default', text: `{"default":${reject}}`, ok: true },
    { it: 'no transports in transports', text: `{"default":${reject},"transports":{}}`, ok: true },
    { it: 'a transport without scopes', text: `{"default":${reject},"transports":{"docker":{}}}`, ok: true },
    { it: 'no default', text: '{"transports":{}}', ok: false },
    { it: 'an empty default', text: '{"default":[]}', ok: false },
    { it: 'an empty scope', text: `{"default":${reject},"transports":{"docker":{"a.example":[]}}}`, ok: false },
    { it: 'an unknown key', text: `{"default":${reject},"defaults":${reject}}`, ok: false },
    { it: 'a repeated default', text: `{"default":${reject},"default":${reject}}`, ok: false },
    {
      it: 'a repeated scope',
      text: `{"default":${reject},"transports":{"docker":{"a.example":${reject},"a.example":${reject}}}}`,
      ok: false,
    },
    {
      it: 'a scope repeated in another case',
      text: `{"default":${reject},"transports":{"docker":{"a.example":${reject},"A.example":${reject}}}}`,
      ok: false,
    },
    {
      it: 'one registry by two names',
      text: `{"default":${reject},"transports":{"docker":{"docker.io":${reject},"index.docker.io":${reject}}}}`,
      ok: false,
    },
    {
      it: 'a host with a trailing dot (95)',
      text: `{"default":${reject},"transports":{"docker":{"a.example.":${reject}}}}`,
      ok: false,
    },
    {
      it: 'a host that is not ASCII (96)',
      text: `{"default":${reject},"transports":{"docker":{"еxample.com":${reject}}}}`,
      ok: false,
    },
    { it: 'a relative dir', text: `{"default":${reject},"transports":{"dir":{"a/b":${reject}}}}`, ok: false },
    { it: 'an absolute dir', text: `{"default":${reject},"transports":{"dir":{"/a/b":${reject}}}}`, ok: true },
    {
      it: 'case 38: a scope named __proto__',
      text: `{"default":${reject},"transports":{"dir":{"/__proto__":${reject}},"__proto__":{}}}`,
      ok: true,
    },
    { it: 'a byte order mark', text: `\uFEFF{"default":${reject}}`, ok: false },
    { it: 'a comment', text: `{"default":${reject}} // x`, ok: false },
    { it: 'a trailing comma', text: `{"default":${reject},}`, ok: false },
    { it: 'null', text: 'null', ok: false },
    { it: 'an array', text: '[]', ok: false },
    { it: 'nothing', text: '', ok: false },
    { it: 'blanks', text: '  \n', ok: false },
    { it: 'deep nesting', text: `{"default":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, ok: false },
  ]
  for (const { it, text, ok } of table) t.equal(parse(text).ok, ok, it)
})

t.test('case 199: a name that JavaScript knows is a scope like any other', async t => {
  const docker = '{"__proto__":[{"type":"insecureAcceptAnything"}],"constructor":[{"type":"reject"}]}'
  const parsed = parse(`{"default":[{"type":"reject"}],"transports":{"docker":${docker},"__proto__":{}}}`)
  t.equal(parsed.ok, true)
  if (!parsed.ok) return
  t.same([...parsed.value.transports.keys()], ['docker', '__proto__'])
  const scopes = parsed.value.transports.get('docker')
  t.same([...(scopes?.keys() ?? [])], ['__proto__', 'constructor'])
  t.equal(scopes?.get('example.org'), undefined)
  t.equal(scopes?.get('toString'), undefined)
})

t.test('all problems of a file are named at once, where they are', async t => {
  const problems = problemsOf(
    '{\n "default": [],\n "transports": {\n  "docker": {\n   "a.example": [{"type": "accept"}],\n   "b.example": [{"type": "reject", "x": 1}]\n  }\n }\n}',
  )
  t.match(problems, [
    'default: a list of requirements must not be empty (line 2, column 13)',
    'transports.docker["a.example"][0].type: there is no requirement type "accept" (line 5, column 27)',
    'transports.docker["b.example"][0]: unknown key "x" (line 6, column 37)',
  ])
})

t.test('the limits of a policy: 64 MiB, and 32 levels', async t => {
  const text = JSON.stringify({ default: [{ type: 'reject' }] })
  const padded = (length: number): string => text + ' '.repeat(length - text.length)
  t.equal(parse(padded(64 * 1024 * 1024)).ok, true)
  t.match(problemsOf(padded(64 * 1024 * 1024 + 1)), [/bytes of JSON are more than/])
  const nested = (depth: number): string => `{"default":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`
  t.notMatch(problemsOf(nested(32))[0], /nested deeper/)
  t.match(problemsOf(nested(33)), [/nested deeper than 32/])
})

t.test('100,000 scopes are read in well under two seconds', async t => {
  const scopes = Object.fromEntries(
    Array.from({ length: 100_000 }, (_, index) => [`h${index}.example/a/b`, [{ type: 'reject' }]]),
  )
  // Processor time: the machine may be busy with others.
  const begun = process.cpuUsage()
  t.equal(parse({ default: [{ type: 'reject' }], transports: { docker: scopes } }).ok, true)
  t.ok(process.cpuUsage(begun).user < 2_000_000)
})
