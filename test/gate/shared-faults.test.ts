import type { Socket } from 'node:net'
import t from 'tap'
import { createAuthority } from '../support/certificates.ts'
import { startFakeRedis, type RedisScript } from '../support/fake-redis.ts'
import { temporaryDirectory } from '../support/gate.ts'
import { child, CHILD, replicas, UNSIGNED } from './shared-scene.ts'

const TIMEOUT_MS = 50
/** What a busy machine may add to a time-out; the point is that nothing waits for seconds. */
const SLACK_MS = 2500

/** What the server does with every command from now on. */
const table: readonly { readonly name: string; readonly script: RedisScript }[] = [
  { name: 'silence', script: () => true },
  { name: 'an answer ten seconds late', script: (_command, socket) => later(socket, '$0\r\n\r\n') },
  { name: 'one byte at a time, for ever', script: (_command, socket) => drip(socket) },
  { name: 'the connection cut', script: (_command, socket) => cut(socket) },
  { name: 'the connection cut in the middle of an answer', script: (_command, socket) => cut(socket, '$100\r\nabc') },
  { name: 'the wrong type', script: say('-WRONGTYPE Operation against a key holding the wrong kind of value\r\n') },
  { name: 'no such command', script: say("-ERR unknown command 'getrange'\r\n") },
  { name: 'NOAUTH', script: say('-NOAUTH Authentication required.\r\n') },
  { name: 'NOPERM', script: say('-NOPERM this user has no permissions\r\n') },
  { name: 'LOADING', script: say('-LOADING Redis is loading the dataset in memory\r\n') },
  { name: 'MASTERDOWN', script: say('-MASTERDOWN Link with MASTER is down\r\n') },
  { name: 'READONLY', script: say("-READONLY You can't write against a read only replica.\r\n", 'SET') },
  { name: 'OOM', script: say("-OOM command not allowed when used memory > 'maxmemory'.\r\n", 'SET') },
  { name: 'MISCONF', script: say('-MISCONF Redis is configured to save RDB snapshots\r\n', 'SET') },
  { name: 'MOVED', script: say('-MOVED 3999 127.0.0.1:6381\r\n') },
  { name: 'OK where bytes are asked for', script: say('+OK\r\n') },
  { name: 'a number', script: say(':1\r\n') },
  { name: 'null', script: say('$-1\r\n') },
  { name: 'a null array', script: say('*-1\r\n') },
  { name: 'an array', script: say('*1\r\n$1\r\nx\r\n') },
  { name: 'arrays in arrays, 100,000 deep', script: say('*1\r\n'.repeat(100_000)) },
  { name: 'an array of 2^31 elements', script: say('*2147483648\r\n') },
  { name: 'a string that will have 500 MB', script: say(`$536870912\r\n${'x'.repeat(1_000_000)}`) },
  { name: 'a length that is no number', script: say('$1e3\r\n') },
  { name: 'an endless line', script: say(`+${'x'.repeat(1_000_000)}`) },
  { name: 'HTTP', script: say('HTTP/1.1 400 Bad Request\r\n\r\n') },
  { name: 'noise', script: say('\u0000\u0001\u0002\u0003') },
  { name: 'every answer twice', script: say('$0\r\n\r\n$0\r\n\r\n') },
  { name: 'a hundred nulls that nobody asked for', script: say(`$0\r\n\r\n${'$-1\r\n'.repeat(100)}`) },
  { name: 'answers of RESP3', script: say('_\r\n') },
]

t.test('case 180: whatever the server does, the gate goes on without it', async t => {
  for (const { name, script } of table) {
    await t.test(name, async t => {
      const { redis, registry, signer, replica, sharedConfig } = await replicas(t)
      registry.putSigned('test', '1', signer, 'example.org')
      const gate = await replica({ shared: { ...sharedConfig, timeoutMs: TIMEOUT_MS } })
      redis.script = script
      const slowest = await slowestOf([
        async () => t.equal((await gate.pull('test/manifests/1')).status, 200, 'what is signed passes'),
        async () => t.equal((await gate.pull(UNSIGNED)).status, 403, 'what is not does not'),
        async () => t.equal((await gate.pull('multi/manifests/latest')).status, 200, 'an index passes'),
        async () => t.equal((await gate.pull(CHILD)).status, 200, 'and its children, here'),
      ])
      t.ok(slowest < TIMEOUT_MS + SLACK_MS, `the slowest took ${Math.round(slowest)} ms`)
      t.equal((await gate.admin('readyz')).status, 200, 'it is ready all the while')
      redis.script = undefined
      await gate.shared('up')
      t.pass('and uses it again when it is well')
    })
  }
})

t.test('a server that is not there when the gate starts, or whose name is unknown', async t => {
  for (const url of ['redis://127.0.0.1:1', 'redis://nowhere.invalid', 'rediss://127.0.0.1:1']) {
    const { replica, sharedConfig } = await replicas(t)
    const gate = await replica({ shared: { ...sharedConfig, url } })
    t.equal((await gate.pull('multi/manifests/latest')).status, 200, url)
    t.equal((await gate.pull(CHILD)).status, 200)
    const ready = await gate.admin('readyz')
    t.equal(ready.status, 200)
    t.match(JSON.parse(ready.body.toString()).shared, { status: 'down', problem: /./ })
  }
})

t.test('a plain server where TLS is configured is not used', async t => {
  const { redis, replica, sharedConfig } = await replicas(t)
  redis.script = (_command, socket) => cut(socket)
  const gate = await replica({ shared: { ...sharedConfig, url: redis.url.replace('redis:', 'rediss:') } })
  t.equal((await gate.pull('multi/manifests/latest')).status, 200)
  await gate.shared('down')
})

t.test('case 180: a server whose certificate is not of the CA that is configured is told nothing', async t => {
  const directory = temporaryDirectory(t)
  const [ours, theirs] = [createAuthority(directory, 'ours'), createAuthority(directory, 'theirs')]
  const { replica, sharedConfig } = await replicas(t)
  for (const [it, authority, status] of [
    ['ours', ours, 'up'],
    ['another’s', theirs, 'down'],
  ] as const) {
    const redis = await startFakeRedis(t, authority.issue('redis'))
    const gate = await replica({ shared: { ...sharedConfig, url: redis.url, ca: ours.file } })
    t.equal((await gate.pull('multi/manifests/latest')).status, 200, it)
    await gate.shared(status)
    t.equal((await gate.admin('readyz')).status, 200)
    t.equal(redis.commands.length > 0, status === 'up', `${it}: ${redis.commands.join(' ')}`)
  }
})

t.test('pulls that come while the server hangs wait once, together, and nothing piles up', async t => {
  const { redis, registry, signer, replica, sharedConfig } = await replicas(t)
  const gate = await replica({ shared: { ...sharedConfig, timeoutMs: TIMEOUT_MS } })
  for (let at = 0; at < 50; at += 1) registry.putSigned(`test${at}`, '1', signer, 'example.org')
  redis.script = () => true
  const before = redis.commands.length
  const statuses = await Promise.all(
    Array.from({ length: 50 }, async (_, at) => (await gate.pull(`test${at}/manifests/1`)).status),
  )
  t.ok(statuses.every(status => status === 200))
  const after = redis.commands.length
  for (let at = 0; at < 50; at += 1) t.equal((await gate.pull(`test${at}/manifests/1`)).status, 200)
  t.ok(after - before <= 60, `${after - before} commands were sent before it was given up`)
})

t.test('a server that can be read but not written is read on', async t => {
  const { redis, replica } = await replicas(t)
  const [a, b] = [await replica(), await replica()]
  t.equal((await a.pull('multi/manifests/latest')).status, 200)
  redis.script = say("-READONLY You can't write against a read only replica.\r\n", 'SET')
  t.equal((await b.pull('multi/manifests/latest')).status, 200, 'b cannot tell')
  t.equal((await (await replica()).pull(`multi/manifests/${child.manifest.digest}`)).status, 200, 'others read')
  const metrics = (await b.admin('metrics')).body.toString()
  t.match(metrics, 'sealgate_shared_tellings_total{outcome="read-only"} 1')
  t.match(metrics, 'sealgate_shared_up 1')
})

/** Says this to every command, or to those of one name. */
function say(text: string, to?: string): RedisScript {
  return ([name], socket) => {
    if (to !== undefined && name?.toString().toUpperCase() !== to) return false
    socket.write(text, 'latin1')
    return true
  }
}

function later(socket: Socket, text: string): true {
  setTimeout(() => socket.write(text), 10_000).unref()
  return true
}

function drip(socket: Socket): true {
  socket.write('$10000\r\n')
  const timer = setInterval(() => (socket.destroyed ? clearInterval(timer) : socket.write('x')), 5)
  timer.unref()
  return true
}

function cut(socket: Socket, text = ''): true {
  socket.end(text)
  return true
}

async function slowestOf(pulls: readonly (() => Promise<unknown>)[]): Promise<number> {
  let slowest = 0
  for (const pull of pulls) {
    const begun = performance.now()
    await pull()
    slowest = Math.max(slowest, performance.now() - begun)
  }
  return slowest
}
