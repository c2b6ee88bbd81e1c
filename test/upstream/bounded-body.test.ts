import { Readable } from 'node:stream'
import t from 'tap'
import { readBounded } from '../../src/upstream/bounded-body.ts'

t.test('case 220: as many bytes as allowed, and not one more', async t => {
  const body = (...pieces: readonly number[]): Readable => Readable.from(pieces.map(size => Buffer.alloc(size, 'x')))
  t.equal((await readBounded(body(), 10, 'x')).length, 0)
  t.equal((await readBounded(body(10), 10, 'x')).length, 10)
  t.equal((await readBounded(body(4, 3, 3), 10, 'x')).length, 10)
  await t.rejects(readBounded(body(11), 10, 'the thing'), { code: 'TOO_LARGE', message: /the thing .* 10 bytes/ })
  await t.rejects(readBounded(body(4, 4, 3), 10, 'x'), { code: 'TOO_LARGE' })
})

t.test('what is too large is not read on', async t => {
  let read = 0
  const endless = new Readable({
    highWaterMark: 1024,
    read() {
      read += 1024
      this.push(Buffer.alloc(1024))
    },
  })
  await t.rejects(readBounded(endless, 10_000, 'x'), { code: 'TOO_LARGE' })
  t.ok(endless.destroyed)
  t.ok(read < 20_000, `${read} bytes were taken`)
})
