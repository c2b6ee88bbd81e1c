import t from 'tap'
import { decodeJson } from '../../src/json/decode.ts'
import { decodeSigstoreIdentity } from '../../src/policy/sigstore-identity-requirement.ts'

type Json = Record<string, unknown>
const identity = { issuer: 'https://issuer.example', subject: 'https://github.com/o/r' }
const whole = { type: 'sealgate.sigstoreIdentity', trustedRootPath: 'trusted_root.json', identities: [identity] }

const decode = (value: unknown) => decodeJson(Buffer.from(JSON.stringify(value)), decodeSigstoreIdentity)
const problem = (value: unknown): string | undefined => {
  const decoded = decode(value)
  return decoded.ok ? undefined : `${decoded.problems[0].path}: ${decoded.problems[0].message}`
}
const withIdentity = (change: Json): Json => ({ ...whole, identities: [change] })

t.test('who, on whose word, by which trusted root', async t => {
  t.match(decode(whole), {
    ok: true,
    value: {
      type: 'sealgate.sigstoreIdentity',
      trustedRoot: { from: 'places', places: ['trusted_root.json'] },
      identities: [
        {
          issuer: { kind: 'exact', text: 'https://issuer.example' },
          subject: { type: 'uri', matcher: { kind: 'exact', text: 'https://github.com/o/r' } },
        },
      ],
      signedIdentity: undefined,
    },
  })
  t.match(decode(withIdentity({ issuerPattern: 'https://issuer.example/*', subjectPattern: '*@example.org' })), {
    ok: true,
    value: { identities: [{ issuer: { kind: 'pattern' }, subject: { type: 'email', matcher: { kind: 'pattern' } } }] },
  })
  t.match(decode({ ...whole, signedIdentity: { type: 'matchRepository' } }), {
    ok: true,
    value: { signedIdentity: { type: 'matchRepository' } },
  })
  for (const place of ['tuf:trusted_root.json', 'tuf:a/b.c_d-e.json', './tuf:/x', 'tuf']) {
    t.match(decode({ ...whole, trustedRootPath: place }), { ok: true, value: { trustedRoot: { places: [place] } } })
  }
  const { trustedRootPath: _, ...rest } = whole
  t.match(decode({ ...rest, trustedRootData: 'e30=' }), { ok: true, value: { trustedRoot: { from: 'data' } } })
})

t.test('anything less is no requirement', async t => {
  const { trustedRootPath: _path, ...rootless } = whole
  const table: readonly { it: string; value: unknown; is: RegExp }[] = [
    { it: 'no trusted root', value: rootless, is: /trusted root/ },
    { it: 'two', value: { ...whole, trustedRootData: 'e30=' }, is: /only one of/ },
    { it: 'case 20: no identities', value: { ...whole, identities: [] }, is: /anybody/ },
    { it: 'no list', value: { type: whole.type, trustedRootPath: 'x' }, is: /identities/ },
    { it: 'case 20: an empty identity', value: withIdentity({}), is: /exactly one of issuer/ },
    { it: 'no subject', value: withIdentity({ issuer: 'https://x' }), is: /exactly one of subject/ },
    { it: 'no issuer', value: withIdentity({ subject: 'https://x/y' }), is: /exactly one of issuer/ },
    { it: 'an empty subject', value: withIdentity({ ...identity, subject: '' }), is: /empty/ },
    {
      it: 'both ways',
      value: withIdentity({ ...identity, subjectPattern: 'https://x/*' }),
      is: /exactly one of subject/,
    },
    {
      it: 'case 21: a field that is none',
      value: withIdentity({ ...identity, subjectRegExp: '.*' }),
      is: /subjectRegExp/,
    },
    {
      it: 'a pattern for any host',
      value: withIdentity({ issuer: 'https://x', subjectPattern: 'https://*' }),
      is: /host/,
    },
    { it: 'a subject that is no name', value: withIdentity({ ...identity, subject: 'alice' }), is: /neither/ },
    {
      it: 'an issuer for addresses',
      value: withIdentity({ issuerPattern: '*@example.org', subject: 'https://x/y' }),
      is: /URL/,
    },
    { it: 'a TUF target without a name', value: { ...whole, trustedRootPath: 'tuf:' }, is: /^trustedRootPath: .*TUF/ },
    { it: 'case 70: a way out', value: { ...whole, trustedRootPath: 'tuf:../x.json' }, is: /TUF/ },
    { it: 'case 70: a way out inside', value: { ...whole, trustedRootPath: 'tuf:a/../x.json' }, is: /TUF/ },
    { it: 'an absolute target', value: { ...whole, trustedRootPath: 'tuf:/x.json' }, is: /TUF/ },
    { it: 'a target on another host', value: { ...whole, trustedRootPath: 'tuf://x.example/x.json' }, is: /TUF/ },
    { it: 'a query', value: { ...whole, trustedRootPath: 'tuf:x.json?y' }, is: /TUF/ },
    { it: 'an escaped way out', value: { ...whole, trustedRootPath: 'tuf:%2e%2e/x' }, is: /TUF/ },
    { it: 'another type', value: { ...whole, type: 'sigstoreSigned' }, is: /type/ },
    { it: 'an unknown field', value: { ...whole, tlogThreshold: 0 }, is: /tlogThreshold/ },
  ]
  for (const { it, value, is } of table) t.match(problem(value), is, it)
})
