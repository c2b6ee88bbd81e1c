import t from 'tap'
import { Turns } from '../../../src/http/blob/turns.ts'

const SHARE = new Uint8Array(64 * 1024)

/** One turn of the event loop. */
async function turn(): Promise<void> {
  await new Promise(resolve => setImmediate(resolve))
}

t.test('a stream that is alone has a turn for 256 KiB, and ten have one each for 64', async t => {
  const turns = new Turns()
  const only = turns.begin()
  t.equal(only.after(SHARE), undefined)
  t.equal(only.after(SHARE), undefined)
  t.equal(only.after(SHARE), undefined)
  t.ok(only.after(SHARE), 'the fourth share waits')
  const others = Array.from({ length: 9 }, () => turns.begin())
  t.ok(only.after(SHARE), 'beside others the first does')
  for (const other of others) other.end()
  t.equal(only.after(SHARE), undefined, 'and alone again it does not')
})

t.test(
  'what is written at once is small while others ask, and what a lone stream may move in a turn otherwise',
  async t => {
    const turns = new Turns()
    t.equal(turns.hasStreams, false)
    const stream = turns.begin()
    t.equal(turns.hasStreams, true)
    t.equal(stream.largest(), 256 * 1024)
    turns.noteRequest()
    t.equal(stream.largest(), 64 * 1024)
    stream.end()
    t.equal(turns.hasStreams, false)
  },
)

t.test('while nobody else asks, all that wait go on in the next turn', async t => {
  const turns = new Turns()
  let moved = 0
  const streams = Array.from({ length: 10 }, () => turns.begin())
  for (const stream of streams) void stream.after(SHARE)?.then(() => (moved += 1))
  t.equal(moved, 0)
  await turn()
  t.equal(moved, 10)
})

t.test('while others ask, two go on in each turn, whoever has waited longest first', async t => {
  const turns = new Turns()
  const order: number[] = []
  const streams = Array.from({ length: 6 }, () => turns.begin())
  turns.noteRequest()
  streams.forEach((stream, index) => void stream.after(SHARE)?.then(() => order.push(index)))
  for (const expected of [
    [0, 1],
    [0, 1, 2, 3],
    [0, 1, 2, 3, 4, 5],
  ]) {
    await turn()
    t.same(order, expected)
  }
})

t.test('some turns after the last request all is as before', async t => {
  const turns = new Turns()
  const stream = turns.begin()
  turns.noteRequest()
  let waited = 0
  for (; ; waited += 1) {
    const wait = stream.after(SHARE)
    if (wait === undefined) break
    await wait
  }
  t.equal(waited, 64)
})
