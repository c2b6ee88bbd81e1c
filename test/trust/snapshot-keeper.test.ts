import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { SnapshotKeeper, type KeeperEvent, type KeeperOptions } from '../../src/trust/snapshot-keeper.ts'
import { temporaryDirectory } from '../support/gate.ts'
import { ecdsaSigner } from '../support/signer.ts'

const KEY = Buffer.from(ecdsaSigner().publicPem)
const OTHER = Buffer.from(ecdsaSigner().publicPem)

type Scene = {
  readonly keeper: SnapshotKeeper
  /** What the broker gives from now on; undefined: it is down. */
  key: Buffer | undefined
  /** How often the broker was asked. */
  asked: number
  readonly events: KeeperEvent[]
  readonly writePolicy: (scope: string) => void
}

type Teardown = Parameters<typeof temporaryDirectory>[0]

/** A keeper of a policy on disk with a key from a broker that takes 20 ms to answer. */
function keep(t: Teardown, timing: Partial<KeeperOptions['timing']> = {}): Scene {
  const path = join(temporaryDirectory(t), 'policy.json')
  const writePolicy = (scope: string): void => {
    const requirement = { type: 'sigstoreSigned', keyPath: 'kbs:///default/cosign-public-key/test' }
    const policy = { default: [{ type: 'reject' }], transports: { docker: { [scope]: [requirement] } } }
    writeFileSync(path, JSON.stringify(policy))
  }
  writePolicy('example.org')
  const events: KeeperEvent[] = []
  const scene: Scene = {
    key: KEY,
    asked: 0,
    events,
    writePolicy,
    keeper: new SnapshotKeeper({
      policy: { kind: 'file', path },
      settings: [],
      askBroker: async () => {
        scene.asked += 1
        await sleep(20)
        if (scene.key === undefined) throw new Error('the broker is down')
        return { bytes: scene.key, from: 'the broker' }
      },
      askTuf: undefined,
      timing: { lookMs: 0, pollMs: 60_000, refreshMs: 60_000, maxAgeMs: undefined, loadMs: 5000, ...timing },
      onEvent: event => void events.push(event),
      onClose: () => undefined,
    }),
  }
  t.teardown(() => scene.keeper.close())
  return scene
}

t.test('case 200: however many ask while files change, they are loaded once, and all wait for it', async t => {
  const scene = keep(t)
  await scene.keeper.start()
  const before = await scene.keeper.current()
  t.equal(scene.asked, 1)
  scene.writePolicy('other.example')
  const all = await Promise.all(Array.from({ length: 50 }, () => scene.keeper.current()))
  t.equal(scene.asked, 2, 'one loading for all')
  t.equal(new Set(all).size, 1)
  t.not(all[0]?.id, before.id, 'of the new policy')
  t.ok(before.policy.transports.get('docker')?.has('example.org'), 'who has the old one keeps it')
})

t.test('case 200: what was loaded anew and is the same is the same object, and no news', async t => {
  const scene = keep(t)
  await scene.keeper.start()
  const before = await scene.keeper.current()
  await scene.keeper.refresh()
  t.equal(scene.asked, 2)
  t.equal(await scene.keeper.current(), before, 'what is remembered under it stays')
  t.same(
    scene.events.map(({ type }) => type),
    ['loaded'],
  )
})

t.test('a refresh during a loading is another loading: the first may have begun too early', async t => {
  const scene = keep(t)
  await scene.keeper.start()
  const before = await scene.keeper.current()
  const first = scene.keeper.refresh()
  await sleep(5)
  const second = scene.keeper.refresh()
  scene.key = OTHER
  await Promise.all([first, second])
  t.equal(scene.asked, 3)
  t.not((await scene.keeper.current()).id, before.id)
})

t.test('case 185: a broker that is down leaves the last good snapshot in force, for as long as is allowed', async t => {
  const scene = keep(t, { maxAgeMs: 150 })
  await scene.keeper.start()
  const before = await scene.keeper.current()
  scene.key = undefined
  await scene.keeper.refresh()
  t.equal(await scene.keeper.current(), before)
  t.match(scene.keeper.status().problem, /the broker is down/)
  await scene.keeper.refresh()
  t.same(
    scene.events.map(({ type }) => type),
    ['loaded', 'failed'],
    'said once',
  )
  await sleep(200)
  t.equal(scene.keeper.fresh(), undefined)
  await t.rejects(scene.keeper.current(), { name: 'TrustError', code: 'NO_SNAPSHOT', message: /the broker is down/ })
  scene.key = KEY
  await scene.keeper.refresh()
  t.equal((await scene.keeper.current()).id, before.id, 'and back again')
})

t.test('case 185: how old the last good snapshot is can be seen while the broker is down', async t => {
  const scene = keep(t)
  t.equal(scene.keeper.status().ageMs, undefined, 'there is none yet')
  await scene.keeper.start()
  scene.key = undefined
  await sleep(100)
  await scene.keeper.refresh()
  const old = scene.keeper.status().ageMs ?? 0
  t.ok(old >= 90, `${old} ms: asking in vain makes nothing new`)
  scene.key = KEY
  await scene.keeper.refresh()
  t.ok((scene.keeper.status().ageMs ?? Infinity) < old, 'it is new when it was had again')
})

t.test('case 184: without a good snapshot there is none, until there is', async t => {
  const scene = keep(t)
  scene.key = undefined
  await t.rejects(scene.keeper.start(), { code: 'NO_SNAPSHOT' })
  await t.rejects(scene.keeper.current(), { code: 'NO_SNAPSHOT' })
  scene.key = KEY
  // It goes on trying by itself, first after a quarter of a second.
  for (let waited = 0; scene.keeper.status().snapshot === undefined && waited < 50; waited += 1) await sleep(50)
  t.ok((await scene.keeper.current()).id)
})

t.test('files are looked at ahead of time while pulls come in, and none of these waits', async t => {
  const lookMs = 4000
  const scene = keep(t, { lookMs })
  await scene.keeper.start()
  const before = scene.keeper.fresh()
  t.ok(before, 'just looked at')
  scene.writePolicy('other.example')
  await sleep(lookMs * 0.75 + 50)
  t.equal(scene.keeper.fresh(), before, 'not too old yet, and a look has begun')
  for (let tries = 0; tries < 500 && scene.events.length < 2; tries += 1) await sleep(20)
  t.match(scene.events, [{ type: 'loaded' }, { type: 'loaded' }], 'it has found what nobody has asked for')
  t.not(scene.keeper.status().snapshot, before)
})
