import t from 'tap'
import { boundedMs, earliest } from '../../src/verdict/good-until.ts'

const at = (ms: number): Date => new Date(ms)

t.test('the earliest of some dates, where none means never', async t => {
  t.equal(earliest([]), undefined)
  t.equal(earliest([undefined, undefined]), undefined)
  t.same(earliest([undefined, at(2), undefined]), at(2))
  t.same(earliest([at(3), at(1), at(2)]), at(1))
})

t.test('nothing is remembered beyond the end of what it rests on', async t => {
  t.equal(boundedMs(1000, undefined), 1000)
  t.equal(boundedMs(1000, at(Date.now() + 5000)), 1000)
  const left = boundedMs(60_000, at(Date.now() + 5000))
  t.ok(left > 4000 && left <= 5000)
  t.ok(boundedMs(1000, at(Date.now() - 1)) < 0)
})
