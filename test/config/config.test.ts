import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { parse } from 'yaml'
import { parseConfig } from '../../src/config/config.ts'
import { loadConfig, withAbsolutePaths } from '../../src/config/load-config.ts'

const base = { policy: 'policy.json', registries: { 'example.org': { layout: 'images' } } }

function problemsOf(change: object): readonly string[] {
  const parsed = parseConfig({ ...base, ...change })
  return parsed.ok ? [] : parsed.problems
}

t.test('each problem names its setting', async t => {
  const table: readonly { change: object; says: RegExp }[] = [
    { change: { policy: 1 }, says: /^policy: / },
    { change: { listen: 'nowhere' }, says: /^listen: expected host:port/ },
    { change: { listen: '127.0.0.1:99999' }, says: /^listen: / },
    { change: { listenOn: 'x' }, says: /listenOn/ },
    { change: { signedIdentityDefault: 'any' }, says: /^signedIdentityDefault: / },
    { change: { index: 'both' }, says: /^index: / },
    { change: { registries: {} }, says: /^registries: at least one/ },
    { change: { registries: { 'a b': { layout: 'x' } } }, says: /^registries\["a b"\]: / },
    {
      change: { registries: { 'docker.io': { layout: 'x' }, 'index.docker.io': { layout: 'y' } } },
      says: /docker\.io, which is there already/,
    },
    { change: { registries: { a: { layout: 'x', url: 'http://x' } } }, says: /^registries\.a: .*url/ },
    { change: { registries: { a: { url: 'ftp://x' } } }, says: /^registries\.a: url: expected an http/ },
    // Case 166: plain HTTP is never guessed, nor tried: it stands in the configuration.
    { change: { registries: { a: { url: 'registry.example' } } }, says: /^registries\.a: url: expected an http/ },
    { change: { registries: { a: { url: 'registry.example:5000' } } }, says: /^registries\.a: url: expected an http/ },
    { change: { registries: { a: { url: '//registry.example' } } }, says: /^registries\.a: url: expected an http/ },
    {
      change: { registries: { a: { url: 'https://user:secret@x' } } },
      says: /^registries\.a: url: expected scheme, host and port only/,
    },
    { change: { registries: { a: { url: 'https://x/y' } } }, says: /prefix/ },
    { change: { registries: { a: { url: 'https://x', username: 'u' } } }, says: /^registries\.a\.username: / },
    {
      change: { registries: { a: { url: 'https://x', username: 'u', password: 'p', passwordFile: 'f' } } },
      says: /passwordFile/,
    },
    { change: { registries: { a: { url: 'https://x', redirectHosts: ['https://cdn'] } } }, says: /redirectHosts/ },
    { change: { defaultRegistry: 'quay.io' }, says: /^defaultRegistry: quay\.io is not among the registries/ },
    { change: { hostNames: { 'q.gate': 'quay.io' } }, says: /^hostNames\["q\.gate"\]: / },
    { change: { keyBroker: { kind: 'kbs' } }, says: /^keyBroker\.kind: / },
    { change: { tuf: { mirror: 'https://m.example', root: 'root.json' } }, says: /^tuf\.cache: / },
    {
      change: { tuf: { mirror: 'file:///repository', root: 'root.json', cache: 'tuf' } },
      says: /^tuf\.mirror: expected an http/,
    },
    {
      change: { tuf: { mirror: 'https://m.example/?a', root: 'root.json', cache: 'tuf' } },
      says: /^tuf\.mirror: expected an http/,
    },
    // Case 177: a refusal is believed for seconds.
    { change: { cache: { refused: 31 } }, says: /^cache\.refused: / },
    { change: { auth: { kind: 'htpasswd' } }, says: /^auth\.file: / },
    { change: { auth: { kind: 'none', file: 'x' } }, says: /^auth: .*file/ },
    { change: { tls: { cert: 'tls.crt' } }, says: /^tls\.key: / },
    { change: { rateLimits: { perUser: { perSecond: 0, burst: 1 } } }, says: /^rateLimits\.perUser\.perSecond: / },
    { change: { mode: 'off' }, says: /^mode: / },
    { change: { modes: [{ scope: 'Example.org/team', mode: 'audit' }] }, says: /^modes\[0\]\.scope: / },
    {
      change: { exceptions: [{ scope: 'example.org', until: 'soon', reason: 'r', by: 'b' }] },
      says: /^exceptions\[0\]\.until: /,
    },
    {
      change: { exceptions: [{ scope: 'example.org', until: '2030-01-01', reason: 'r' }] },
      says: /^exceptions\[0\]\.by: /,
    },
    { change: { limits: { pulls: 0 } }, says: /^limits\.pulls: / },
    // Case 173: without a key to authenticate them, entries are not taken from anybody.
    { change: { shared: { url: 'redis://h' } }, says: /^shared\.hmacKeyFile: / },
    { change: { shared: { url: 'http://h', hmacKeyFile: 'k' } }, says: /^shared\.url: expected redis:/ },
    { change: { shared: { url: 'redis', hmacKeyFile: 'k' } }, says: /^shared\.url: expected redis:/ },
    { change: { shared: { url: 'redis://u:secret@h', hmacKeyFile: 'k' } }, says: /^shared\.url: a password belongs/ },
    { change: { shared: { url: 'redis://%zz@h', hmacKeyFile: 'k' } }, says: /^shared\.url: the user/ },
    { change: { shared: { url: 'redis://h/x', hmacKeyFile: 'k' } }, says: /^shared\.url: expected the number/ },
    { change: { shared: { url: 'redis://h?db=1', hmacKeyFile: 'k' } }, says: /^shared\.url: expected nothing after/ },
    { change: { shared: { url: 'redis://h', hmacKeyFile: 'k', prefix: 'a b' } }, says: /^shared\.prefix: / },
    { change: { shared: { url: 'redis://h', hmacKeyFile: 'k', timeoutMs: 0 } }, says: /^shared\.timeoutMs: / },
    { change: { shared: { url: 'redis://h', hmacKeyFile: 'k', ca: 'c' } }, says: /^shared\.ca: is for rediss/ },
    { change: { shared: { url: 'redis://u@h', hmacKeyFile: 'k' } }, says: /^shared\.passwordFile: the user u needs/ },
  ]
  for (const { change, says } of table) {
    const problems = problemsOf(change)
    t.ok(
      problems.some(problem => says.test(problem)),
      `${JSON.stringify(change)} → ${problems.join(' | ')}`,
    )
    t.ok(
      problems.every(problem => !problem.includes('secret')),
      'and repeats no password',
    )
  }
})

t.test('the example configuration has every setting, and is valid', async t => {
  const file = fileURLToPath(new URL('../../config/sealgate.yaml', import.meta.url))
  const text = readFileSync(file, 'utf8')
  const config = await loadConfig(file)
  // Commented out, because they need something that is not everywhere.
  const optional = ['tls', 'keyBroker', 'tuf', 'lookaside', 'explainUrl', 'audit', 'shared']
  const shown = Object.keys(parse(text))
  for (const key of [...Object.keys(config), ...optional]) {
    t.ok(shown.includes(key) || text.includes(`# ${key}:`), `config/sealgate.yaml shows ${key}`)
  }
})

t.test('where replicas share, and its files beside the configuration', async t => {
  const shared = {
    url: 'rediss://gate@[::1]:6380/2',
    hmacKeyFile: 'secret',
    passwordFile: '/run/password',
    ca: 'ca.pem',
  }
  const parsed = parseConfig({ ...base, shared })
  t.ok(parsed.ok)
  if (!parsed.ok) return
  t.same(withAbsolutePaths(parsed.config, '/etc/sealgate').shared, {
    url: { tls: true, host: '::1', port: 6380, username: 'gate', database: 2 },
    hmacKeyFile: '/etc/sealgate/secret',
    passwordFile: '/run/password',
    ca: '/etc/sealgate/ca.pem',
    prefix: 'sealgate:',
    timeoutMs: 50,
  })
})

t.test('cases 218, 221, 222, 229, 231: limits that nobody has set', async t => {
  t.match(parseConfig(base), {
    ok: true,
    config: {
      cache: { refused: 2, tags: 1 },
      limits: { signatures: 64, signatureBytes: 1024 * 1024, verdictSeconds: 20, pulls: 4000 },
    },
  })
})
