import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { watchLoopDelay } from '../../src/observe/loop-delay.ts'

t.test('case 213: what holds up the event loop is seen once, and for as long as it was', async t => {
  const delay = watchLoopDelay()
  t.teardown(delay.stop)
  await sleep(100)
  const until = performance.now() + 300
  while (performance.now() < until);
  await sleep(100)
  const held = delay.read()
  t.ok(held.max >= 0.25 && held.max < 5, `${held.max} s`)
  t.ok(held.p99 <= held.max)
  t.same(delay.read(), { p99: 0, max: 0 }, 'it begins anew')
})
