import t from 'tap'
import { SingleFlight } from '../../src/cache/single-flight.ts'

t.test('those who ask for the same thing wait for the same work', async t => {
  const flights = new SingleFlight<number>()
  let done = 0
  const work = async (): Promise<number> => (done += 1)
  t.same(await Promise.all([flights.run('a', work), flights.run('a', work), flights.run('b', work)]), [1, 1, 2])
  t.equal(await flights.run('a', work), 3, 'and what is over is done anew')
  t.equal(flights.size, 0)
})

t.test('what was forgotten is joined by nobody, knows it, and takes nobody’s place away when it ends', async t => {
  const flights = new SingleFlight<string>()
  const gates = { first: Promise.withResolvers<void>(), second: Promise.withResolvers<void>() }
  const current: boolean[] = []
  const run = (name: 'first' | 'second'): Promise<string> =>
    flights.run('a', async isCurrent => {
      await gates[name].promise
      current.push(isCurrent())
      return name
    })
  const first = run('first')
  flights.forget(key => key === 'b')
  const joined = run('second')
  flights.forget(key => key === 'a')
  const second = run('second')
  gates.first.resolve()
  t.same([await first, await joined], ['first', 'first'], 'who had joined before gets it still')
  const third = flights.run('a', async () => 'third')
  gates.second.resolve()
  t.same([await second, await third], ['second', 'second'], 'the end of the forgotten one is not the other’s')
  t.same(current, [false, true])
  t.equal(flights.size, 0)
})

t.test('a failure is told to all who waited for it, and to nobody who comes later', async t => {
  const flights = new SingleFlight<string>()
  const work = Promise.withResolvers<string>()
  const waiting = [flights.run('a', () => work.promise), flights.run('a', async () => 'not asked')]
  work.reject(new Error('broken'))
  for (const each of waiting) await t.rejects(each, /broken/)
  t.equal(await flights.run('a', async () => 'anew'), 'anew')
  const before = (): never => {
    throw new Error('before it began')
  }
  await t.rejects(flights.run('a', before), /before it began/)
  t.equal(flights.size, 0)
})
