import t from 'tap'
import { RateLimiter } from '../../../src/http/front/rate-limiter.ts'

t.test('a bucket lets a burst through, and then as many as fill it', async t => {
  const rows = [
    { at: 0, key: 'a', wait: undefined },
    { at: 0, key: 'a', wait: undefined },
    { at: 0, key: 'a', wait: 1 },
    { at: 0, key: 'b', wait: undefined },
    { at: 499, key: 'a', wait: 1 },
    { at: 500, key: 'a', wait: undefined },
    { at: 501, key: 'a', wait: 1 },
    { at: 60_000, key: 'a', wait: undefined },
    { at: 60_000, key: 'a', wait: undefined },
    { at: 60_000, key: 'a', wait: 1 },
  ]
  let now = 0
  const limiter = new RateLimiter({ perSecond: 2, burst: 2 }, () => now)
  for (const { at, key, wait } of rows) {
    now = at
    t.equal(limiter.take(key), wait, `${key} at ${at} ms`)
  }
})

t.test('the wait is told in whole seconds', async t => {
  const limiter = new RateLimiter({ perSecond: 0.1, burst: 1 }, () => 0)
  t.equal(limiter.take('a'), undefined)
  t.equal(limiter.take('a'), 10)
})

t.test('memory is bounded: who has not been heard of for longest is forgotten', async t => {
  const limiter = new RateLimiter({ perSecond: 1, burst: 1 }, () => 0, 2)
  t.equal(limiter.take('a'), undefined)
  t.equal(limiter.take('b'), undefined)
  t.equal(limiter.take('c'), undefined)
  t.equal(limiter.take('c'), 1)
  t.equal(limiter.take('a'), undefined, 'begins anew')
})
