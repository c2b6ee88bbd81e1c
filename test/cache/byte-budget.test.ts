import t from 'tap'
import { ByteBudget } from '../../src/cache/byte-budget.ts'

t.test('bytes are held up to the limit, and again once they are given back', async t => {
  const budget = new ByteBudget(100)
  const first = budget.hold({}, 60)
  const second = budget.hold({}, 40)
  t.ok(first)
  t.ok(second, 'L')
  t.equal(budget.hold({}, 1), undefined, 'L+1')
  t.equal(budget.held, 100)
  first?.()
  t.equal(budget.held, 40)
  t.equal(budget.hold({}, 61), undefined)
  t.ok(budget.hold({}, 60))
})

t.test('what several hold counts once, until the last lets it go', async t => {
  const budget = new ByteBudget(100)
  const manifest = {}
  const releases = [budget.hold(manifest, 100), budget.hold(manifest, 100), budget.hold(manifest, 100)]
  t.equal(budget.held, 100)
  for (const [index, release] of releases.entries()) {
    t.equal(budget.hold({}, 1), undefined, `${3 - index} of them have it`)
    release?.()
  }
  t.equal(budget.held, 0)
  t.ok(budget.hold({}, 100))
})
