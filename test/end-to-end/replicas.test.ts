import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { startEvilRegistry } from '../support/evil-registry.ts'
import { findRedis, startRedis, type RedisServer } from '../support/redis-server.ts'
import { ecdsaSigner } from '../support/signer.ts'
import { freePort } from './support/processes.ts'
import { pullUntil, type Load, type Tally, type Way } from './support/replica-load.ts'
import { startReplicas, type Replica } from './support/replica-set.ts'

/**
 * Three replicas and a real Redis, killed and restarted while several workers pull: no wrong verdict, and no pull fails
 * that would have passed.
 */

const HOST = 'example.org'
const WORKERS = 4
const REPLICAS = 3
const program = findRedis()

type Scene = { readonly load: Load; readonly redis: RedisServer }

async function scene(t: Test, redisProgram: string, timeoutMs: number): Promise<Scene> {
  const directory = mkdtempSync(join(tmpdir(), 'sealgate-replicas-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const redis = await startRedis(t, redisProgram, await freePort())
  const registry = await startEvilRegistry(t)
  const trusted = ecdsaSigner()
  const keyPath = join(directory, 'cosign.pub')
  writeFileSync(keyPath, trusted.publicPem)
  const replicas = await startReplicas(t, {
    directory,
    count: REPLICAS,
    redisPort: redis.port,
    timeoutMs,
    policy: {
      default: [{ type: 'reject' }],
      transports: {
        docker: {
          [HOST]: [{ type: 'sigstoreSigned', keyPath }],
          [`${HOST}/exact`]: [{ type: 'sigstoreSigned', keyPath, signedIdentity: { type: 'matchExact' } }],
        },
      },
    },
    configuration: {
      registries: { [HOST]: { url: registry.url } },
      // Nothing is remembered of tags and refusals, so that every request is a verdict.
      cache: { tags: 0, refused: 0 },
    },
  })
  return { redis, load: { registry, replicas, trusted, stranger: ecdsaSigner(), host: HOST } }
}

/** Lets workers pull until `trouble` is over. */
async function pullDuring(load: Load, way: Way, trouble: () => Promise<void>): Promise<Tally> {
  const tally: Tally = { pulls: 0, right: 0, retried: 0, wrong: [] }
  let isOver = false
  const workers = Array.from({ length: WORKERS }, () => pullUntil(load, way, () => isOver, tally))
  try {
    await trouble()
  } finally {
    isOver = true
    await Promise.all(workers)
  }
  return tally
}

async function restart(replica: Replica | undefined): Promise<void> {
  await replica?.kill()
  await sleep(200)
  await replica?.start()
}

async function metric(replica: Replica, pattern: RegExp): Promise<number> {
  const text = await (await fetch(`${replica.adminUrl}/metrics`)).text()
  return Number(pattern.exec(text)?.[1] ?? 0)
}

function report(t: Test, tally: Tally): void {
  t.same(tally.wrong.slice(0, 10), [], 'no wrong verdict, and no pull failed that would have passed')
  t.ok(tally.pulls > 20, `${tally.pulls} pulls, ${tally.right} right answers, ${tally.retried} made again`)
}

if (program === undefined) {
  t.pass('redis-server is not on PATH', { skip: true })
} else {
  t.test('replicas are killed and started again, and every request goes to any of them', async t => {
    // A busy machine may hold a process up for longer than 50 ms, and what is shared is the point here, not the time.
    const { load } = await scene(t, program, 2000)
    const tally = await pullDuring(load, 'spread', async () => {
      await sleep(1500)
      for (let round = 0; round < 2; round += 1) {
        for (const replica of load.replicas) {
          await restart(replica)
          await sleep(700)
        }
      }
    })
    report(t, tally)
    t.ok(tally.retried > 0, 'replicas were gone in between')
    const hits = await Promise.all(
      load.replicas.map(replica => metric(replica, /sealgate_shared_looks_total\{outcome="hit"\} (\d+)/)),
    )
    t.ok(
      hits.every(count => count > 0),
      `what others had found out was used ${hits.join(', ')} times`,
    )
  })

  t.test('Redis is killed, started again and frozen, and replicas are killed too', async t => {
    const { load, redis } = await scene(t, program, 50)
    const tally = await pullDuring(load, 'whole', async () => {
      await sleep(1000)
      for (const replica of load.replicas) {
        await redis.kill()
        await sleep(700)
        await restart(replica)
        await redis.restart()
        await sleep(1000)
        redis.freeze()
        await sleep(700)
        redis.thaw()
        await sleep(500)
      }
    })
    report(t, tally)
    for (let at = 0; at < 100; at += 1) {
      const up = await Promise.all(load.replicas.map(replica => metric(replica, /sealgate_shared_up (\d)/)))
      if (up.every(value => value === 1)) break
      await sleep(100)
    }
    const up = await Promise.all(load.replicas.map(replica => metric(replica, /sealgate_shared_up (\d)/)))
    t.same(up, [1, 1, 1], 'and all of them use it again')
  })
}
