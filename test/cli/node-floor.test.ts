import t from 'tap'
import { nodeProblem } from '../../src/cli/node-floor.ts'

t.test('case 149: no older Node than the one that mended what the gate relies on', async t => {
  const table = [
    ['24.17.0', true],
    ['24.18.1', true],
    ['25.0.0', true],
    ['26.10.0', true],
    ['24.16.9', false],
    ['22.99.0', false],
    ['20.20.2', false],
    ['', false],
  ] as const
  for (const [version, isFine] of table) t.equal(nodeProblem(version) === undefined, isFine, version)
  t.match(nodeProblem('20.20.2'), /needs Node 24\.17 or later, and this is 20\.20\.2/)
})
