import { mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { initializeTUFRepo, tufHandlers } from '@tufjs/repo-mock'
import t from 'tap'
import { openMirror } from '../../src/tuf/mirror.ts'
import { openTufCache } from '../../src/tuf/tuf-cache.ts'
import { openTufSource, type TufSource } from '../../src/tuf/tuf-source.ts'
import { temporaryDirectory } from '../support/gate.ts'
import { newTufKeys, TARGET, tufAttacks, withTufRoot } from '../support/tuf-attacks.ts'
import { filesOf, rootOf, startTufServer, type TufServer } from '../support/tuf-repository.ts'

const one = Buffer.from('{"the":"first"}')
const two = Buffer.from('{"the":"second"}')
const { keys, others, pinned, files, newer, attacks } = tufAttacks({ one, two })
const HOUR = 3_600_000
const inASecond = (): Date => new Date(Math.ceil(Date.now() / 1000) * 1000 + 1000)

type Teardown = Parameters<typeof temporaryDirectory>[0]
type Opened = { readonly source: TufSource; readonly server: TufServer; readonly directory: string }

async function open(
  t: Teardown,
  server: TufServer,
  options: {
    readonly directory?: string
    readonly root?: Buffer
    readonly refreshMs?: number
    readonly timeoutMs?: number
    readonly check?: () => void
  } = {},
): Promise<Opened> {
  const directory = options.directory ?? join(temporaryDirectory(t), 'cache')
  const pinnedRoot = options.root ?? pinned
  const source = openTufSource({
    mirror: openMirror({ url: new URL(server.url), ca: undefined }),
    cache: await openTufCache({ directory, mirror: server.url, pinnedRoot }),
    pinnedRoot,
    check: bytes => {
      options.check?.()
      if (bytes[0] !== 0x7b) throw new Error('is no trusted root')
    },
    refreshMs: options.refreshMs ?? 0,
    timeoutMs: options.timeoutMs ?? 20_000,
  })
  t.teardown(() => source.close())
  return { source, server, directory }
}

/** What is had: the target, `stale` before it if it is an earlier one and why, or the error. */
async function ask({ source }: Pick<Opened, 'source'>, name = TARGET): Promise<string> {
  try {
    const { bytes, stale } = await source.get(name, AbortSignal.timeout(5000))
    return stale === undefined ? Buffer.from(bytes).toString() : `${Buffer.from(bytes).toString()} stale: ${stale}`
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error)) throw error
    return `${String(error.code)}: ${error.message}`
  }
}

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
  const made = initializeTUFRepo([{ name: TARGET, content: one }])
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
  const third = newTufKeys()
  server.files = filesOf(third, { targets: { [TARGET]: two } })
  server.files.set('2.root.json', rootOf({ version: 2, keys: others, signers: [...keys.root, ...others.root] }))
  server.files.set('3.root.json', rootOf({ version: 3, keys: third, signers: [...others.root, ...third.root] }))
  t.equal(await ask(gate), two.toString())
})

t.test('case 70: what a mirror can do changes nothing: the last good target is kept, and it says so', async t => {
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
      server.files = files({ version: 4, targets: { [TARGET]: two } })
      t.equal(await ask(gate), two.toString(), 'and it is over when the mirror is good again')
    })
  }
})

t.test('a key that was rotated away stays away, also when the mirror forgets', async t => {
  const server = await startTufServer(t)
  const gate = await open(t, server)
  server.files = withTufRoot(
    filesOf(others, { targets: { [TARGET]: one } }),
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
  const table: readonly {
    readonly it: string
    readonly respond: TufServer['respond']
    readonly timeoutMs?: number
    readonly says: RegExp
  }[] = [
    { it: 'an error', respond: (_, response) => void response.writeHead(500).end(), says: /status 500/ },
    {
      it: 'a redirect is not followed',
      respond: ({ url }, response) =>
        void response.writeHead(302, { location: `${elsewhere.url}${String(url).slice(7)}` }).end(),
      says: /status 302/,
    },
    { it: 'nothing', respond: () => {}, timeoutMs: 1000, says: /in time/ },
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
      timeoutMs: 1000,
      says: /in time/,
    },
    {
      it: 'roots without end',
      respond: (_, response) => void response.end(Buffer.alloc(400_000, ' ')),
      says: /more than \d+ bytes/,
    },
  ]
  elsewhere.files = newer()
  for (const { it, respond, timeoutMs, says } of table) {
    const server = await startTufServer(t)
    const gate = await open(t, server, { timeoutMs: timeoutMs ?? 20_000 })
    server.respond = respond
    const begun = performance.now()
    const never = await ask(gate)
    if (timeoutMs !== undefined) t.ok(performance.now() - begun < 4000, `${it}: not for longer than it may take`)
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
  const forged = filesOf(others, { targets: { [TARGET]: two } })
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

t.test('a state belongs to its mirror, its pinned root and its target', async t => {
  const server = await startTufServer(t)
  const made = await open(t, server)
  server.files = files()
  await ask(made)
  await server.stop()
  const other = await open(t, server, { directory: made.directory, root: rootOf({ keys: others }) })
  t.match(await ask(other), /^MIRROR: /)
  t.match(await ask(made, 'other.json'), /^MIRROR: /)
  const another = await startTufServer(t)
  await another.stop()
  t.match(await ask(await open(t, another, { directory: made.directory })), /^MIRROR: /)
  t.match(await ask(await open(t, server, { directory: made.directory })), /^\{"the":"first"\} stale: /)
  const check = (): void => {
    throw new Error('is no trusted root any more')
  }
  const stricter = await open(t, server, { directory: made.directory, check })
  t.match(await ask(stricter), /^TARGET: .*cache cannot be used: is no trusted root any more/)
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

t.test('case 70, CVE-2026-24686: delegated roles are not followed', async t => {
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

t.test('case 70, CVE-2026-24137: a mirror is asked for nothing beside it', async t => {
  const server = await startTufServer(t)
  const mirror = openMirror({ url: new URL(server.url), ca: undefined })
  t.teardown(() => mirror.close())
  const below = new URL('x', `${server.url}/`).pathname
  const elsewhere = [`http://127.0.0.1:1${below}`, `//127.0.0.1:1${below}`, 'file:///x']
  for (const path of [...elsewhere, '/x', '../x', 'a/../../x', '%2e%2e/x']) {
    await t.rejects(mirror.get(path, 10, AbortSignal.timeout(5000)), { code: 'MIRROR', message: /not below/ }, path)
  }
  t.same(server.requests, [])
})

t.test('what a killed process left behind is cleared away, and what another one works on is not', async t => {
  const directory = temporaryDirectory(t)
  const [old, current, foreign] = ['refresh-old', 'refresh-new', 'somebody else’s'].map(name => join(directory, name))
  for (const path of [old, current, foreign]) mkdirSync(path ?? '')
  for (const path of [old, foreign]) utimesSync(path ?? '', 0, 0)
  await openTufCache({ directory, mirror: 'http://m.example', pinnedRoot: pinned })
  t.same(readdirSync(directory).toSorted(), ['refresh-new', 'somebody else’s'])
})

t.test('a cache that cannot be used is an error, at once', async t => {
  const directory = join(temporaryDirectory(t), 'file')
  writeFileSync(directory, '')
  await t.rejects(openTufCache({ directory, mirror: 'http://m.example', pinnedRoot: pinned }), { code: 'CACHE' })
})
