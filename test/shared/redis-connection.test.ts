import t from 'tap'
import { RedisConnection } from '../../src/shared/redis-connection.ts'
import { startFakeRedis } from '../support/fake-redis.ts'

/** Long enough that nothing here is late, however busy the machine. */
const TIMEOUT_MS = 20_000
const MAX_UNDER_WAY = 4096

t.test('case 180: what waits for a server that says nothing has an end, and fails with its connection', async t => {
  const redis = await startFakeRedis(t)
  const { hostname: host, port } = new URL(redis.url)
  const place = { host, port: Number(port), database: 0, username: undefined, password: undefined, tls: undefined }
  const connection = new RedisConnection({
    place: async () => place,
    timeoutMs: TIMEOUT_MS,
    probe: 'probe',
    onEvent: () => undefined,
  })
  t.teardown(() => connection.close())
  t.same(await connection.read(['a']), { ok: false, failure: 'down' }, 'nothing is queued for a connection to come')
  await connection.start()
  t.match(await connection.read(['a']), { ok: true })
  redis.script = () => true
  const waiting = Array.from({ length: MAX_UNDER_WAY }, () => connection.read(['a']))
  t.same(await connection.read(['a']), { ok: false, failure: 'busy' }, 'one more is told so at once')
  t.same(await connection.write([{ name: 'a', value: Buffer.from('x'), ttlMs: 1000 }]), { ok: false, failure: 'busy' })
  for (const socket of redis.sockets) socket.destroy()
  const answers = await Promise.all(waiting)
  t.ok(answers.every(answer => !answer.ok && answer.failure === 'failed'))
})
