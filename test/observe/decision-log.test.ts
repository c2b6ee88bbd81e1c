import t from 'tap'
import { DecisionIds } from '../../src/observe/decision-log.ts'

t.test('ids are short, and none comes twice, however many are drawn at once', async t => {
  const ids = new DecisionIds()
  const drawn = Array.from({ length: 1000 }, () => ids.next())
  t.ok(
    drawn.every(id => /^[0-9a-f]{12}$/.test(id)),
    'twelve hexadecimal digits',
  )
  t.equal(new Set(drawn).size, drawn.length)
  t.notSame(new DecisionIds().next(), new DecisionIds().next(), 'nor from another that has just begun')
})
