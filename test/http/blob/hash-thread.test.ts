import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { HashThread } from '../../../src/http/blob/hash-thread.ts'

const MIB = 1024 * 1024

t.test('what an ended thread did not take is not waited for', async t => {
  const thread = new HashThread()
  t.teardown(() => thread.close())
  const old = thread.open('sha256')
  await thread.close()
  await sleep(50)
  for (let sent = 0; sent < 20; sent += 1)
    t.throws(() => old.update([new ArrayBuffer(MIB)]), { name: 'HashThreadError' })
  const fresh = thread.open('sha256')
  t.equal(fresh.room(), undefined, 'there is room')
})

t.test('a thread that failed takes its successor with it in no way', async t => {
  const thread = new HashThread()
  t.teardown(() => thread.close())
  const failing = thread.open('no such algorithm')
  failing.update([new ArrayBuffer(10)])
  await t.rejects(failing.digest(), { name: 'HashThreadError' })
  const next = thread.open('sha256')
  next.update([new ArrayBuffer(10)])
  await sleep(300)
  t.equal(await next.digest(), '01d448afd928065458cf670b60f5a594d735af0172c8d67f22a81680132681ca')
})
