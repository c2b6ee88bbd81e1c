import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { Lanes } from '../../src/cache/lanes.ts'

const options = { running: 2, waiting: 10, waitMs: 10_000 }

t.test('in order within a lane, side by side across lanes, never more than so many', async t => {
  const lanes = new Lanes(options)
  const log: string[] = []
  let running = 0
  let most = 0
  const work = (name: string) => async () => {
    running += 1
    most = Math.max(most, running)
    await sleep(name.endsWith('1') ? 20 : 1)
    running -= 1
    log.push(name)
    return name
  }
  const results = await Promise.all(
    ['a1', 'a2', 'a3', 'b1', 'b2', 'c1'].map(name => lanes.run(name.slice(0, 1), work(name))),
  )
  t.same(
    results.map(result => (result.outcome === 'done' ? result.value : '')),
    ['a1', 'a2', 'a3', 'b1', 'b2', 'c1'],
  )
  for (const lane of ['a', 'b']) {
    const own = log.filter(name => name.startsWith(lane))
    t.same(own, [...own].sort(), `lane ${lane}`)
  }
  t.equal(most, 2)
})

t.test('what is too much, or has waited too long, is dropped', async t => {
  const lanes = new Lanes({ running: 1, waiting: 2, waitMs: 5 })
  let begun = 0
  const results = await Promise.all(
    [1, 2, 3, 4].map(() =>
      lanes.run('a', async () => {
        begun += 1
        await sleep(30)
      }),
    ),
  )
  t.same(
    results.map(({ outcome }) => outcome),
    ['done', 'dropped', 'dropped', 'dropped'],
    'the second and third waited too long, or there was no place for them',
  )
  t.equal(begun, 1)
  t.equal((await lanes.run('a', async () => 1)).outcome, 'done', 'and there is room again')
})

t.test('work that fails is its own failure', async t => {
  const lanes = new Lanes({ ...options, running: 1 })
  const failing = lanes.run('a', () => Promise.reject(new Error('broken')))
  const next = lanes.run('a', async () => 1)
  await t.rejects(failing, /broken/)
  t.same(await next, { outcome: 'done', value: 1 })
})

t.test('close drops what waits and waits for what has begun', async t => {
  const lanes = new Lanes({ ...options, running: 1 })
  let over = false
  const first = lanes.run('a', () => sleep(20).then(() => (over = true)))
  const second = lanes.run('a', async () => 1)
  await lanes.close()
  t.ok(over)
  t.equal((await first).outcome, 'done')
  t.equal((await second).outcome, 'dropped')
  t.equal((await lanes.run('a', async () => 1)).outcome, 'dropped')
})
