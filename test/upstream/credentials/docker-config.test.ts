import t from 'tap'
import { parseDockerConfig, placesFor, type CredentialPlace } from '../../../src/upstream/credentials/docker-config.ts'

const basic = (text: string): { auth: string } => ({ auth: Buffer.from(text).toString('base64') })
const file = (username: string, password: string): CredentialPlace => ({
  kind: 'file',
  credentials: { kind: 'password', username, password },
})
const helper = (name: string, server: string): CredentialPlace => ({ kind: 'helper', helper: name, server })

t.test('case 155: where the credentials of a repository are', async t => {
  const auths = {
    'https://index.docker.io/v1/': basic('hub:p'),
    'quay.io': basic('anybody:p'),
    'quay.io/team': basic('team:p'),
    'https://ghcr.io/v2/': basic('old:p'),
    'ghcr.io': basic('new:p'),
    'LOCAL.example:5000': basic('l:p:with:colons'),
    'c.example': basic('c:string\0\0'),
    'plain.example': { username: 'u', password: 'p' },
    'token.example': { ...basic('00000000-0000-0000-0000-000000000000:'), identitytoken: 'refresh' },
    'stored.example': {},
    'nothing.example': { auth: '', identitytoken: '' },
  }
  const table: readonly { it: string; config?: object; host: string; path?: string; places: CredentialPlace[] }[] = [
    { it: 'Docker Hub, by the host that is dialled', host: 'registry-1.docker.io', places: [file('hub', 'p')] },
    { it: 'a host', host: 'quay.io', path: 'other/app', places: [file('anybody', 'p')] },
    { it: 'the beginning of a path', host: 'quay.io', path: 'team/app', places: [file('team', 'p')] },
    { it: 'whole components only', host: 'quay.io', path: 'teams/app', places: [file('anybody', 'p')] },
    { it: 'the plain key before a URL', host: 'ghcr.io', places: [file('new', 'p')] },
    { it: 'a port, in any case', host: 'local.example:5000', places: [file('l', 'p:with:colons')] },
    { it: 'another port is another host', host: 'local.example', places: [] },
    { it: 'a part of a name is another host', host: 'example', places: [] },
    { it: 'zero bytes at the end', host: 'c.example', places: [file('c', 'string')] },
    { it: 'spelled out', host: 'plain.example', places: [file('u', 'p')] },
    {
      it: 'an identity token before the password',
      host: 'token.example',
      places: [{ kind: 'file', credentials: { kind: 'identity-token', token: 'refresh' } }],
    },
    { it: 'an entry that says that a store has it', host: 'stored.example', places: [] },
    { it: 'an empty entry', host: 'nothing.example', places: [] },
    {
      it: 'the store first',
      config: { auths, credsStore: 'pass' },
      host: 'quay.io',
      places: [helper('pass', 'quay.io'), file('anybody', 'p')],
    },
    {
      it: 'the store, by what docker calls Docker Hub',
      config: { credsStore: 'pass' },
      host: 'registry-1.docker.io',
      places: [helper('pass', 'https://index.docker.io/v1/')],
    },
    { it: 'no store', config: { credsStore: '' }, host: 'quay.io', places: [] },
    {
      it: 'a helper, and nothing else',
      config: { auths, credsStore: 'pass', credHelpers: { 'quay.io': 'ecr-login' } },
      host: 'quay.io',
      places: [helper('ecr-login', 'quay.io')],
    },
    {
      it: 'other keys are docker’s',
      config: { auths, HttpHeaders: { a: 'b' }, detachKeys: 'x' },
      host: 'plain.example',
      places: [file('u', 'p')],
    },
  ]
  for (const { it, config, host, path, places } of table) {
    const parsed = parseDockerConfig(Buffer.from(JSON.stringify(config ?? { auths })))
    t.same(parsed.ok && placesFor(parsed.config, host, path ?? 'library/app'), places, it)
  }
})

t.test('what cannot be used is told by its place, and never repeated', async t => {
  const table: readonly { it: string; text: string; is: RegExp }[] = [
    { it: 'no JSON', text: '{', is: /line 1/ },
    { it: 'no object', text: '[]', is: /expected an object/ },
    { it: 'no base64', text: '{"auths":{"a.example":{"auth":"s3cret!"}}}', is: /a\.example.*base64 of user:password/ },
    {
      it: 'no colon',
      text: `{"auths":{"a.example":{"auth":"${Buffer.from('s3cret').toString('base64')}"}}}`,
      is: /base64/,
    },
    {
      it: 'no user',
      text: `{"auths":{"a.example":{"auth":"${Buffer.from(':s3cret').toString('base64')}"}}}`,
      is: /base64/,
    },
    {
      it: 'a password of another type',
      text: '{"auths":{"a.example":{"username":"u","password":53}}}',
      is: /expected a string/,
    },
    { it: 'the same key twice', text: '{"auths":{},"auths":{}}', is: /auths/ },
    {
      it: 'a helper with a path',
      text: '{"credsStore":"../../tmp/evil"}',
      is: /credsStore.*name of a credential helper/,
    },
    {
      it: 'a helper with a path',
      text: '{"credHelpers":{"a.example":"x/y"}}',
      is: /credHelpers.*name of a credential/,
    },
  ]
  for (const { it, text, is } of table) {
    const parsed = parseDockerConfig(Buffer.from(text))
    const said = parsed.ok ? 'fine' : parsed.problems.join('\n')
    t.match(said, is, it)
    t.notMatch(said, /s3cret|53/)
  }
})
