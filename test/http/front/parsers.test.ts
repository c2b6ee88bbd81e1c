import t from 'tap'
import { parseAuthorization } from '../../../src/http/front/authorization.ts'
import { parseHtpasswd, parseTokenFile } from '../../../src/http/front/user-files.ts'

const basic = (text: string | Buffer): string => `Basic ${Buffer.from(text).toString('base64')}`

t.test('an Authorization header is read strictly', async t => {
  const malformed = { kind: 'malformed' }
  const table = [
    { it: 'none', headers: [], is: { kind: 'none' } },
    { it: 'user and password', headers: [basic('ann:secret')], is: { kind: 'basic', user: 'ann', password: 'secret' } },
    {
      it: 'a scheme in any case',
      headers: [basic('ann:x').replace('Basic', 'bASIC')],
      is: { kind: 'basic', user: 'ann' },
    },
    { it: 'a colon in the password', headers: [basic('ann:a:b')], is: { kind: 'basic', user: 'ann', password: 'a:b' } },
    { it: 'UTF-8', headers: [basic('ann:pä')], is: { kind: 'basic', user: 'ann', password: 'pä' } },
    { it: 'an empty password', headers: [basic('ann:')], is: { kind: 'basic', user: 'ann', password: '' } },
    { it: 'a bearer token', headers: ['Bearer abc.DEF-1_~+/='], is: { kind: 'bearer', token: 'abc.DEF-1_~+/=' } },
    { it: 'two headers', headers: [basic('ann:x'), basic('bob:y')], is: malformed },
    { it: 'no colon', headers: [basic('ann')], is: malformed },
    { it: 'no user', headers: [basic(':x')], is: malformed },
    { it: 'no base64', headers: ['Basic a:b'], is: malformed },
    { it: 'base64 without its padding', headers: ['Basic YW5uOg'], is: malformed },
    { it: 'bytes that are no UTF-8', headers: [basic(Buffer.from([0x61, 0x3a, 0xff]))], is: malformed },
    { it: 'a line break in the user', headers: [basic('a\nb:x')], is: malformed },
    { it: 'a NUL in the password', headers: [basic('a:x\0y')], is: malformed },
    { it: 'another scheme', headers: ['Digest username="ann"'], is: malformed },
    { it: 'no scheme', headers: ['YW5uOng='], is: malformed },
    { it: 'nothing', headers: [''], is: malformed },
  ]
  for (const { it, headers, is } of table) t.match(parseAuthorization(headers), is, it)
})

t.test('files of users: every line is right, or nothing of the file is used', async t => {
  const hash = `$2y$05$${'a'.repeat(53)}`
  const sha256 = '0'.repeat(64)
  const htpasswd = [
    { text: `ann:${hash}\n# a comment\n\nbob:${hash}\r\n`, users: ['ann', 'bob'], says: undefined },
    { text: '', users: [], says: undefined },
    { text: 'ann:$apr1$abc$def', users: undefined, says: /^line 1: what ann has is no bcrypt hash/ },
    { text: 'ann:secret', users: undefined, says: /^line 1/ },
    { text: 'ann', users: undefined, says: /^line 1: expected "user: secret"/ },
    { text: `ann:${hash}\nann:${hash}`, users: undefined, says: /^line 2: the user ann is there twice/ },
    { text: `ann:$2y$31$${'a'.repeat(53)}`, users: undefined, says: /^line 1/ },
  ]
  for (const { text, users, says } of htpasswd) {
    const parsed = parseHtpasswd(text)
    if (parsed.ok) t.same([...parsed.users.keys()], users, text)
    else {
      t.match(parsed.problems[0], says, text)
      t.notMatch(parsed.problems.join(), 'secret$', 'no secret is repeated')
    }
    t.equal(parsed.ok, users !== undefined)
  }
  const tokens = [
    { text: `ci: ${sha256}\nann:${sha256}\n`, ok: true },
    { text: `ci: ${sha256.toUpperCase().replace('0', 'A')}`, ok: false },
    { text: 'ci: token', ok: false },
    { text: sha256, ok: false },
  ]
  for (const { text, ok } of tokens) t.equal(parseTokenFile(text).ok, ok, text)
})
