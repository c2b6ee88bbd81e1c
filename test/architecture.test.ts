import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'

/**
 * Who may import whom: docs/architecture.md's table as data. `uses` are packages and built-in modules beyond those that
 * every folder may use; a folder that is not here may not exist.
 */
const RULES: Readonly<Record<string, { readonly imports: readonly string[]; readonly uses: readonly string[] }>> = {
  json: { imports: [], uses: [] },
  cache: { imports: [], uses: [] },
  reference: { imports: [], uses: ['node:crypto'] },
  manifest: { imports: ['json', 'reference'], uses: [] },
  policy: { imports: ['json', 'reference'], uses: [] },
  signatures: {
    imports: ['json', 'reference', 'manifest', 'policy'],
    uses: [
      'node:crypto',
      'node:zlib',
      '@noble/curves',
      '@sigstore/bundle',
      '@sigstore/core',
      '@sigstore/verify',
      '@sigstore/protobuf-specs',
      'openpgp',
      'yaml',
    ],
  },
  keybroker: {
    imports: ['json'],
    uses: [
      'node:fs',
      'node:url',
      'node:path',
      'node:net',
      'node:stream',
      'node:timers',
      'undici',
      '@grpc/grpc-js',
      '@grpc/proto-loader',
    ],
  },
  trust: {
    imports: ['json', 'cache', 'policy', 'signatures'],
    uses: ['node:crypto', 'node:fs', 'node:path', 'node:timers'],
  },
  upstream: {
    imports: ['json', 'cache', 'reference', 'manifest'],
    uses: [
      'node:child_process',
      'node:dns',
      'node:net',
      'node:fs',
      'node:path',
      'node:stream',
      'node:tls',
      'node:url',
      'lru-cache',
      'undici',
    ],
  },
  tuf: { imports: ['json', 'upstream'], uses: ['node:crypto', 'node:fs', 'node:path', 'tuf-js'] },
  verdict: {
    imports: ['cache', 'reference', 'manifest', 'policy', 'signatures', 'trust'],
    uses: ['node:timers', 'lru-cache'],
  },
  workers: {
    imports: ['shared', 'config'],
    uses: ['node:cluster', 'node:crypto', 'node:path', 'node:timers', 'lru-cache'],
  },
  shared: {
    imports: ['json', 'reference', 'verdict'],
    uses: ['node:crypto', 'node:net', 'node:tls', 'iovalkey'],
  },
  observe: {
    imports: ['json', 'reference', 'trust', 'verdict', 'shared'],
    uses: [
      'node:async_hooks',
      'node:crypto',
      'node:fs',
      'node:perf_hooks',
      'node:timers',
      'lru-cache',
      'pino',
      'prom-client',
      '@opentelemetry/api',
      '@opentelemetry/exporter-trace-otlp-http',
      '@opentelemetry/resources',
      '@opentelemetry/sdk-trace',
    ],
  },
  config: { imports: ['reference'], uses: ['node:fs', 'node:path', 'yaml', 'zod'] },
  nodes: { imports: ['json', 'reference'], uses: ['node:path', 'smol-toml', 'yaml'] },
  http: {
    imports: ['json', 'cache', 'reference', 'manifest', 'trust', 'upstream', 'verdict', 'observe'],
    uses: [
      'node:crypto',
      'node:stream',
      'node:http',
      'node:net',
      'node:tls',
      'node:worker_threads',
      'bcryptjs',
      'fastify',
      'lru-cache',
    ],
  },
}
/** Composition: these may import anything, and nothing but each other may import them. */
const TOP: ReadonlySet<string> = new Set(['', 'assembly', 'cli'])
const PURE: ReadonlySet<string> = new Set(['json', 'cache', 'reference', 'manifest', 'policy', 'signatures', 'verdict'])
const IO = /^node:(?:fs|net|tls|http|https|http2|dgram|dns|child_process|worker_threads|process)/

const root = fileURLToPath(new URL('../src/', import.meta.url))

type Import = {
  readonly file: string
  readonly folder: string
  readonly target: string
  /** needed: by import(), when it comes to that; never: types only. */
  readonly when: 'start' | 'needed' | 'never'
}

function folderOf(path: string): string {
  return path.includes('/') ? path.slice(0, path.indexOf('/')) : ''
}

function whenOf(statement: string): Import['when'] {
  if (statement.startsWith('import(')) return 'needed'
  return /^(?:import|export) type /.test(statement) ? 'never' : 'start'
}

function importsOf(file: string): readonly Import[] {
  const text = readFileSync(root + file, 'utf8')
  const statements = text.matchAll(/^(?:import|export)\s[^;]*?from '([^']+)'|\bimport\('([^']+)'\)/gms)
  const found = [...statements].map(([statement, atStart, whenNeeded]) => ({
    specifier: atStart ?? whenNeeded ?? '',
    when: whenOf(statement),
  }))
  return found.map(({ specifier, when }) => ({
    file,
    when,
    folder: folderOf(file),
    target: specifier.startsWith('.')
      ? new URL(specifier, `file:///src/${file}`).pathname.replace('/src/', '')
      : specifier,
  }))
}

const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.ts'))
const imports = files.flatMap(importsOf)
const isFile = (target: string): boolean => target.endsWith('.ts')

t.test('the scan finds what there is', async t => {
  t.ok(files.length > 60, `${files.length} files`)
  t.ok(imports.length > 200, `${imports.length} imports`)
  for (const folder of Object.keys(RULES))
    t.ok(
      files.some(file => folderOf(file) === folder),
      `src/${folder} has files`,
    )
  for (const folder of new Set(files.map(folderOf)))
    t.ok(folder in RULES || TOP.has(folder), `src/${folder} has a rule`)
})

t.test('imports point one way', async t => {
  for (const { file, folder, target } of imports) {
    if (!isFile(target) || TOP.has(folder)) continue
    const to = folderOf(target)
    t.ok(to === folder || RULES[folder]?.imports.includes(to) === true, `${file} imports ${target}`)
  }
})

t.test('a folder uses the packages it was given, and the pure ones do no IO', async t => {
  for (const { file, folder, target } of imports) {
    if (isFile(target) || TOP.has(folder)) continue
    const allowed = RULES[folder]?.uses.some(name => target === name || target.startsWith(`${name}/`)) === true
    t.ok(allowed, `${file} uses ${target}`)
    if (PURE.has(folder)) t.notMatch(target, IO, `${file} does IO`)
  }
})

t.test('OpenTelemetry is loaded where traces are configured, and nowhere else', async t => {
  const users = imports.filter(({ target }) => target.startsWith('@opentelemetry/')).map(({ file }) => file)
  t.same([...new Set(users)], ['observe/otel-tracing.ts'])
  t.same(
    imports.filter(({ target, when }) => target === 'observe/otel-tracing.ts' && when === 'start'),
    [],
    'by a dynamic import alone',
  )
})

t.test('a gate reads what its configuration needs: what is heavy is not reached from the start', async t => {
  const reached = new Set(['main.ts', 'cli/serve.ts'])
  for (const file of reached) {
    for (const { target } of imports.filter(one => one.file === file && one.when === 'start')) reached.add(target)
  }
  t.ok(reached.has('http/registry-routes.ts'), `${reached.size} modules are reached`)
  const heavy = [
    'openpgp',
    '@grpc/grpc-js',
    '@grpc/proto-loader',
    'tuf-js',
    'iovalkey',
    '@opentelemetry/api',
    'smol-toml',
  ]
  for (const name of heavy) t.notOk(reached.has(name), name)
})

t.test('what would bring a known hole back is not named anywhere', async t => {
  const table = [
    { it: 'case 138: Node’s lenient parser', names: /insecureHTTPParser: true/ },
    { it: 'case 141: views of headers that fail on __proto__', names: /\b(?:headers|trailers)Distinct\b/ },
    { it: 'case 148: a server for HTTP/2', names: /node:http2|http2: true/ },
    { it: 'case 149: a choice by SNI', names: /SNICallback|\.addContext\(/ },
    { it: 'case 161: a cache below the gate’s own', names: /\binterceptors\b|\.compose\(|cacheStores/ },
    { it: 'case 163: a proxy towards the registries', names: /ProxyAgent|\bsocks/i },
  ]
  const texts = files.map(file => ({ file, text: readFileSync(root + file, 'utf8') }))
  for (const { it, names } of table) {
    const found = texts.filter(({ text }) => names.test(text)).map(({ file }) => file)
    t.same(found, [], it)
  }
})

t.test('case 227: no text from outside becomes a regular expression', async t => {
  // Each is put together once, when its file is read, of what stands in it.
  const CONSTANT = /^const [A-Z]+ = new RegExp\(`/
  // A text given to one of these is made one in silence: what is searched for is written out, or a constant.
  const IN_SILENCE = /\.(?:match|matchAll|search)\((?![/A-Z])/
  let checked = 0
  for (const file of files) {
    for (const line of readFileSync(root + file, 'utf8').split('\n')) {
      if (/\bRegExp\(/.test(line)) {
        checked += 1
        t.match(line, CONSTANT, `${file}: ${line.trim()}`)
      }
      if (IN_SILENCE.test(line)) t.fail(`${file}: ${line.trim()}`)
    }
  }
  t.ok(checked > 0, 'there are some')
})
