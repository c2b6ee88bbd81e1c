import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { Refreshes } from '../../src/workers/refreshes.ts'

t.test('whoever has another policy than the one that was just loaded is asked to look', async t => {
  const asked: number[] = []
  const refreshes = new Refreshes(worker => void asked.push(worker))
  for (const worker of [1, 2, 3]) refreshes.loaded(worker, 'old')
  t.same(asked, [], 'all alike')
  refreshes.loaded(2, 'new')
  t.same(asked, [1, 3])
  refreshes.loaded(1, 'new')
  t.same(asked, [1, 3], 'the third is being asked still')
  refreshes.loaded(3, 'new')
  t.same(asked, [1, 3])
  await sleep(1200)
  t.same(asked, [1, 3], 'and there is no more to ask')
  refreshes.close()
})

t.test('who found the older one is asked once more, and then left in peace', async t => {
  const asked: number[] = []
  const refreshes = new Refreshes(worker => void asked.push(worker))
  refreshes.loaded(1, 'old')
  refreshes.loaded(2, 'new')
  t.same(asked, [1])
  await sleep(1200)
  t.same(asked, [1, 1])
  await sleep(1200)
  t.same(asked, [1, 1], 'a broker that tells each of them something else is not asked for ever')
  refreshes.forget(1)
  refreshes.loaded(2, 'newer')
  t.same(asked, [1, 1], 'nor one that is gone')
  refreshes.close()
})
