import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { initializeTUFRepo, tufHandlers } from '@tufjs/repo-mock'
import t from 'tap'
import { openMirror } from '../../src/tuf/mirror.ts'
import { openTufCache } from '../../src/tuf/tuf-cache.ts'
import { openTufSource, type TufSource } from '../../src/tuf/tuf-source.ts'
import { temporaryDirectory } from '../support/gate.ts'
import {
  filesOf,
  rootOf,
  signed,
  startTufServer,
  tufKeys,
  type Files,
  type RepositoryOptions,
  type Role,
  type TufServer,
} from '../support/tuf-repository.ts'
import type { KeyPair } from '../support/x509.ts'

type Keys = Readonly<Record<Role, readonly KeyPair[]>>
const newKeys = (): Keys => ({ root: [tufKeys()], timestamp: [tufKeys()], snapshot: [tufKeys()], targets: [tufKeys()] })
const keys = newKeys()
const others = newKeys()
const pinned = rootOf({ keys })
const NAME = 'trusted_root.json'
const one = Buffer.from('{"the":"first"}')
const two = Buffer.from('{"the":"second"}')
const HOUR = 3_600_000
const yesterday = new Date(Date.now() - 24 * HOUR)
const inASecond = (): Date => new Date(Math.ceil(Date.now() / 1000) * 1000 + 1000)

type Teardown = Parameters<typeof temporaryDirectory>[0]
type Opened = { readonly source: TufSource; readonly server: TufServer; readonly directory: string }

async function open(
  t: Teardown,
  server: TufServer,
  options: { readonly directory?: string; readonly root?: Buffer; readonly refreshMs?: number } = {},
): Promise<Opened> {
  const directory = options.directory ?? join(temporaryDirectory(t), 'cache')
  const pinnedRoot = options.root ?? pinned
  const source = openTufSource({
    mirror: openMirror({ url: new URL(server.url), ca: undefined }),
    cache: await openTufCache({ directory, mirror: server.url, pinnedRoot }),
    pinnedRoot,
    check: bytes => {
      if (bytes[0] !== 0x7b) throw new Error('is no trusted root')
    },
    refreshMs: options.refreshMs ?? 0,
    timeoutMs: 500,
  })
  t.teardown(() => source.close())
  return { source, server, directory }
}

/** What is had: the target, `stale` before it if it is an earlier one and why, or the error. */
async function ask({ source }: Pick<Opened, 'source'>, name = NAME): Promise<string> {
  try {
    const { bytes, stale } = await source.get(name, AbortSignal.timeout(5000))
    return stale === undefined ? Buffer.from(bytes).toString() : `${Buffer.from(bytes).toString()} stale: ${stale}`
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error)) throw error
    return `${String(error.code)}: ${error.message}`
  }
}

const files = (options: RepositoryOptions = {}): Files =>
  filesOf(keys, { version: 2, targets: { [NAME]: one }, ...options })
const newer = (options: RepositoryOptions = {}): Files => files({ version: 3, targets: { [NAME]: two }, ...options })

t.test('a target is had by TUF, and a newer one as soon as there is one', async t => {
  const server = await startTufServer(t)
  const gate = await open(t, server)
  server.files = files()
  t.equal(await ask(gate), one.toString())
  server.files = newer()
  t.equal(await ask(gate), two.toString())
  server.files = files({ version: 4, targets: { 'a/b.json': one } })
  t.equal(await ask(gate, 'a/b.json'), one.toString(), 'in a directory')
})

t.test('the same with a repository that another program has made', async t => {
  const made = initializeTUFRepo([{ name: NAME, content: one }])
  const handlers = tufHandlers(made, { metadataPathPrefix: '/mirror', targetPathPrefix: '/mirror/targets' })
  const server = await startTufServer(t)
  server.respond = (request, response) => {
    const answer = handlers.find(({ path }) => path === request.url)?.fn()
    response.statusCode = answer?.statusCode ?? 404
    response.end(answer?.response)
  }
  const gate = await open(t, server, { root: Buffer.from(JSON.stringify(made.rootMeta.toJSON())) })
  t.equal(await ask(gate), one.toString())
})

t.test('it is asked again only when it is due, and by one at a time', async t => {
  const server = await startTufServer(t)
  const gate = await open(t, server, { refreshMs: HOUR })
  server.files = files()
  t.same(await Promise.all([ask(gate), ask(gate), ask(gate)]), [one.toString(), one.toString(), one.toString()])
  server.files = newer()
  t.equal(await ask(gate), one.toString())
  t.equal(server.requests.filter(path => path.endsWith('timestamp.json')).length, 1)
})

t.test('roots are rotated, each by the one before, several at once', async t => {
  const server = await startTufServer(t)
  const gate = await open(t, server)
  const third = newKeys()
  server.files = filesOf(third, { targets: { [NAME]: two } })
  server.files.set('2.root.json', rootOf({ version: 2, keys: others, signers: [...keys.root, ...others.root] }))
  server.files.set('3.root.json', rootOf({ version: 3, keys: third, signers: [...others.root, ...third.root] }))
  t.equal(await ask(gate), two.toString())
})

/** What a mirror does to one who has had version 2 of everything. */
type Attack = { readonly it: string; readonly files: () => Files; readonly says: RegExp }

const withFile = (made: Files, name: string, change: (file: Buffer) => Buffer): Files =>
  new Map([...made].map(([path, file]) => [path, path.includes(name) ? change(file) : file]))
const flipped = (file: Buffer): Buffer =>
  Buffer.from(file.toString().replace('first', 'fjrst').replace('second', 'sxcond'))
const without = (made: Files, name: string): Files => new Map([...made].filter(([path]) => !path.includes(name)))
const withRoot = (made: Files, root: Buffer, version = 2): Files => new Map([...made, [`${version}.root.json`, root]])

const attacks: readonly Attack[] = [
  {
    it: 'a timestamp by somebody else',
    files: () => newer({ signers: { timestamp: others.timestamp } }),
    says: /signed by 0\/1/,
  },
  {
    it: 'a snapshot by somebody else',
    files: () => newer({ signers: { snapshot: others.snapshot } }),
    says: /signed by 0\/1/,
  },
  {
    it: 'targets by somebody else',
    files: () => newer({ signers: { targets: others.targets } }),
    says: /signed by 0\/1/,
  },
  {
    it: 'a timestamp by the key of targets',
    files: () => newer({ signers: { timestamp: keys.targets } }),
    says: /signed by 0\/1/,
  },
  {
    it: 'a timestamp that nobody has signed',
    files: () => newer({ signers: { timestamp: [] } }),
    says: /signed by 0\/1/,
  },
  { it: 'CVE-2022-29173: an older timestamp', files: () => newer({ versions: { timestamp: 1 } }), says: /version/i },
  {
    it: 'CVE-2022-29173: an older snapshot',
    files: () => files({ versions: { timestamp: 3, snapshot: 1 } }),
    says: /version/i,
  },
  {
    it: 'CVE-2022-29173: older targets',
    files: () => files({ versions: { timestamp: 3, snapshot: 3, targets: 1 } }),
    says: /version/i,
  },
  {
    it: 'freeze: a timestamp that has expired',
    files: () => newer({ expires: { timestamp: yesterday } }),
    says: /expired/,
  },
  {
    it: 'freeze: a snapshot that has expired',
    files: () => newer({ expires: { snapshot: yesterday } }),
    says: /expired/,
  },
  { it: 'freeze: targets that have expired', files: () => newer({ expires: { targets: yesterday } }), says: /expired/ },
  {
    it: 'freeze: a root that has expired',
    files: () => withRoot(newer(), rootOf({ version: 2, keys, expires: yesterday })),
    says: /root.json is expired/,
  },
  {
    it: 'mix and match: the snapshot of another timestamp',
    files: () => withFile(newer(), 'snapshot', () => files({ version: 3 }).get('3.snapshot.json') ?? one),
    says: /hash|length/i,
  },
  { it: 'a changed target', files: () => withFile(newer(), NAME, flipped), says: /hash/i },
  { it: 'a longer target', files: () => withFile(newer(), NAME, file => Buffer.concat([file, file])), says: /bytes/ },
  { it: 'a shorter target', files: () => withFile(newer(), NAME, file => file.subarray(1)), says: /length/i },
  { it: 'no target', files: () => without(newer(), NAME), says: /no targets\// },
  { it: 'a target that is no longer listed', files: () => newer({ targets: {} }), says: /not among the targets/ },
  {
    it: 'a target without a hash',
    files: () =>
      newer({ change: { targets: made => (made['targets'] = { [NAME]: { length: two.length, hashes: {} } }) } }),
    says: /neither a SHA-256/,
  },
  {
    it: 'a target of a gigabyte',
    files: () =>
      newer({
        change: { targets: made => (made['targets'] = { [NAME]: { length: 2 ** 30, hashes: { sha256: '00' } } }) },
      }),
    says: /more than/,
  },
  {
    it: 'a target that is signed and of no use',
    files: () => newer({ targets: { [NAME]: Buffer.from('no') } }),
    says: /is no trusted root/,
  },
  { it: 'no timestamp', files: () => without(newer(), 'timestamp'), says: /no timestamp.json/ },
  { it: 'no snapshot', files: () => without(newer(), 'snapshot'), says: /no 3.snapshot.json/ },
  {
    it: 'a timestamp that is no JSON',
    files: () => withFile(newer(), 'timestamp', () => Buffer.from('<html>')),
    says: /JSON/,
  },
  {
    it: 'a timestamp that is a snapshot',
    files: () => new Map([...newer(), ['timestamp.json', newer().get('3.snapshot.json') ?? one]]),
    says: /./,
  },
  {
    it: 'a timestamp of a megabyte',
    files: () => withFile(newer(), 'timestamp', file => Buffer.concat([file, Buffer.alloc(2 ** 20, ' ')])),
    says: /more than 16384 bytes/,
  },
  {
    it: 'case 33: a root that the one before has not signed',
    files: () =>
      withRoot(filesOf(others, { version: 2, targets: { [NAME]: two } }), rootOf({ version: 2, keys: others })),
    says: /signed by 0\/1/,
  },
  {
    it: 'a root that has not signed itself',
    files: () => withRoot(newer(), rootOf({ version: 2, keys: others, signers: keys.root })),
    says: /signed by 0\/1/,
  },
  { it: 'a root of another version', files: () => withRoot(newer(), rootOf({ version: 3, keys })), says: /version/ },
  {
    it: 'CVE-2026-23992: a threshold of nought',
    files: () => withRoot(newer(), rootOf({ version: 2, keys, thresholds: { timestamp: 0 } })),
    says: /threshold/,
  },
  {
    it: 'CVE-2026-23991: a root without roles',
    files: () => withRoot(newer(), signed({ _type: 'root', version: 2 }, keys.root)),
    says: /./,
  },
]

t.test('what a mirror can do changes nothing: the last good target is kept, and it says so', async t => {
  for (const { it, files: make, says } of attacks) {
    await t.test(it, async t => {
      const server = await startTufServer(t)
      const gate = await open(t, server)
      server.files = files()
      t.equal(await ask(gate), one.toString())
      server.files = make()
      const kept = await ask(gate)
      t.ok(kept.startsWith(`${one.toString()} stale: `), kept)
      t.match(kept, says)
      const restarted = await open(t, server, { directory: gate.directory })
      t.ok((await ask(restarted)).startsWith(`${one.toString()} stale: `), 'nor over a restart')
      const anew = await ask(await open(t, server))
      const isFirst = it.startsWith('CVE-2022-29173')
      if (!isFirst) t.match(anew, /^(?:METADATA|MIRROR|TARGET): /, 'and one who never had any gets none')
      server.files = files({ version: 4, targets: { [NAME]: two } })
      t.equal(await ask(gate), two.toString(), 'and it is over when the mirror is good again')
    })
  }
})

t.test('a key that was rotated away stays away, also when the mirror forgets', async t => {
  const server = await startTufServer(t)
  const gate = await open(t, server)
  server.files = withRoot(
    filesOf(others, { targets: { [NAME]: one } }),
    rootOf({ version: 2, keys: others, signers: [...keys.root, ...others.root] }),
  )
  t.equal(await ask(gate), one.toString())
  server.files = newer({ version: 9 })
  t.match(await ask(gate), /^\{"the":"first"\} stale: .*signed by 0\/1/)
  const restarted = await open(t, server, { directory: gate.directory })
  t.match(await ask(restarted), /^\{"the":"first"\} stale: .*signed by 0\/1/, 'nor over a restart')
})

t.test('a mirror that does not answer as it should', async t => {
  const elsewhere = await startTufServer(t)
  const table: readonly { readonly it: string; readonly respond: TufServer['respond']; readonly says: RegExp }[] = [
    { it: 'an error', respond: (_, response) => void response.writeHead(500).end(), says: /status 500/ },
    {
      it: 'a redirect is not followed',
      respond: ({ url }, response) =>
        void response.writeHead(302, { location: `${elsewhere.url}${String(url).slice(7)}` }).end(),
      says: /status 302/,
    },
    { it: 'nothing', respond: () => {}, says: /in time/ },
    {
      it: 'everything is forbidden',
      respond: (_, response) => void response.writeHead(403).end(),
      says: /no timestamp/,
    },
    { it: 'an end too soon', respond: (_, response) => void response.destroy(), says: /cannot be reached|broke/ },
    {
      it: 'without end',
      respond: (_, response) => {
        const timer = setInterval(() => response.write(Buffer.alloc(64 * 1024, ' ')), 1)
        response.on('close', () => clearInterval(timer))
      },
      says: /more than 512000 bytes/,
    },
    {
      it: 'a drop at a time',
      respond: (_, response) => {
        const timer = setInterval(() => response.write(' '), 20)
        response.on('close', () => clearInterval(timer))
      },
      says: /in time/,
    },
    {
      it: 'roots without end',
      respond: (_, response) => void response.end(Buffer.alloc(400_000, ' ')),
      says: /more than/,
    },
  ]
  elsewhere.files = newer()
  for (const { it, respond, says } of table) {
    const server = await startTufServer(t)
    const gate = await open(t, server)
    server.respond = respond
    const never = await ask(gate)
    t.match(never, /^(?:MIRROR|METADATA): /, `${it}: never had`)
    t.match(never, says, it)
    server.respond = undefined
    server.files = files()
    t.equal(await ask(gate), one.toString())
    server.respond = respond
    t.match(await ask(gate), /^\{"the":"first"\} stale: /, `${it}: kept`)
  }
  t.same(elsewhere.requests, [], 'nobody else was asked')
})

t.test('a mirror that is down: what is kept, in the process and in the cache, as long as it is valid', async t => {
  const server = await startTufServer(t)
  const gate = await open(t, server)
  server.files = files()
  await ask(gate)
  await server.stop()
  t.match(await ask(gate), /^\{"the":"first"\} stale: .*cannot be reached/)
  t.match(await ask(await open(t, server, { directory: gate.directory })), /^\{"the":"first"\} stale: /, 'by the cache')
  t.match(await ask(await open(t, server)), /^MIRROR: .*cannot be reached/, 'never had')
  await server.start()
  t.equal(await ask(gate), one.toString())
})

t.test('what expires while the mirror is down is kept by the process, and not taken from the cache', async t => {
  const server = await startTufServer(t)
  const gate = await open(t, server)
  const end = inASecond()
  server.files = files({ expires: { timestamp: end } })
  t.equal(await ask(gate), one.toString())
  await server.stop()
  await new Promise(resolve => setTimeout(resolve, end.getTime() - Date.now() + 50))
  t.match(await ask(gate), /^\{"the":"first"\} stale: /)
  const restarted = await open(t, server, { directory: gate.directory })
  t.match(await ask(restarted), /^METADATA: .*and the cache cannot be used: .*expired/)
})

t.test('the cache is trusted for nothing', async t => {
  const server = await startTufServer(t)
  const made = await open(t, server)
  server.files = files()
  await ask(made)
  const [name = '', another] = readdirSync(made.directory)
  t.equal(another, undefined, 'nothing is left of the work')
  const file = join(made.directory, name)
  t.equal(statSync(file).mode & 0o077, 0, 'and nobody else reads it')
  const state = JSON.parse(readFileSync(file, 'utf8'))
  await server.stop()
  const base64 = (bytes: Buffer): string => bytes.toString('base64')
  const forged = filesOf(others, { targets: { [NAME]: two } })
  const part = (path: string): string => base64(forged.get(path) ?? one)
  const table: readonly (readonly [string, string])[] = [
    ['not JSON', 'x'],
    ['a field that nobody knows', JSON.stringify({ ...state, more: 1 })],
    ['another target', JSON.stringify({ ...state, target: base64(two) })],
    [
      'somebody else’s repository',
      JSON.stringify({
        roots: [base64(rootOf({ version: 2, keys: others }))],
        timestamp: part('timestamp.json'),
        snapshot: part('1.snapshot.json'),
        targets: part('1.targets.json'),
        target: base64(two),
      }),
    ],
  ]
  for (const [it, text] of table) {
    writeFileSync(file, text)
    t.match(await ask(await open(t, server, { directory: made.directory })), /^(?:MIRROR|METADATA|TARGET): /, it)
  }
  await server.start()
  writeFileSync(file, 'x')
  t.equal(await ask(await open(t, server, { directory: made.directory })), one.toString(), 'and is written anew')
})

t.test('a state belongs to its pinned root', async t => {
  const server = await startTufServer(t)
  const made = await open(t, server)
  server.files = files()
  await ask(made)
  await server.stop()
  const other = await open(t, server, { directory: made.directory, root: rootOf({ keys: others }) })
  t.match(await ask(other), /^MIRROR: /)
})

t.test('a pinned root that the mirror is not of, or that is none', async t => {
  const server = await startTufServer(t)
  server.files = files()
  t.match(await ask(await open(t, server, { root: rootOf({ keys: others }) })), /^METADATA: .*signed by 0\/1/)
  for (const root of ['x', '{}', '{"signed":{"version":"1"}}', '{"signed":{"version":0}}']) {
    t.match(await ask(await open(t, server, { root: Buffer.from(root) })), /^BAD_ROOT: /, root)
  }
  const unsigned = rootOf({ keys, signers: others.root })
  t.match(await ask(await open(t, server, { root: unsigned })), /^METADATA: /, 'not signed by itself')
})

t.test('CVE-2026-24686: delegated roles are not followed', async t => {
  const server = await startTufServer(t)
  const gate = await open(t, server)
  const role = (name: string): object => ({ name, keyids: [], threshold: 1, terminating: false, paths: ['*'] })
  for (const name of ['root', 'timestamp', '../../evil', 'team']) {
    const change = {
      targets: (made: Record<string, unknown>) => (made['delegations'] = { keys: {}, roles: [role(name)] }),
    }
    server.files = files({ targets: {}, change })
    t.match(await ask(gate), /^(?:TARGET: .*not among|METADATA: .*delegated)/i, name)
  }
  t.notOk(server.requests.some(path => /evil|team/.test(path)))
})

t.test('a cache that cannot be used is an error, at once', async t => {
  const directory = join(temporaryDirectory(t), 'file')
  writeFileSync(directory, '')
  await t.rejects(openTufCache({ directory, mirror: 'http://m.example', pinnedRoot: pinned }), { code: 'CACHE' })
})
