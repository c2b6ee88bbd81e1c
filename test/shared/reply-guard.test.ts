import { array, assert, constantFrom, integer, property } from 'fast-check'
import t from 'tap'
import { ReplyGuard } from '../../src/shared/reply-guard.ts'

const MAX = 100
const accepts = (text: string): boolean => new ReplyGuard({ maxBulkBytes: MAX }).accepts(Buffer.from(text, 'latin1'))

const bulk = (length: number): string => `$${length}\r\n${'x'.repeat(length)}\r\n`

const table: readonly { readonly reply: string; readonly accepted: boolean }[] = [
  { reply: '+OK\r\n', accepted: true },
  { reply: '-ERR no\r\n', accepted: true },
  { reply: ':12\r\n', accepted: true },
  { reply: bulk(0), accepted: true },
  { reply: bulk(MAX), accepted: true },
  { reply: '$5\r\n*1\r\n$\r\n+OK\r\n', accepted: true },
  { reply: `+${'x'.repeat(1021)}\r\n`, accepted: true },
  { reply: `+${'x'.repeat(1022)}\r\n`, accepted: false },
  { reply: bulk(MAX + 1), accepted: false },
  { reply: '$-1\r\n', accepted: false },
  { reply: '$\r\n', accepted: false },
  { reply: '$1e1\r\n', accepted: false },
  { reply: '$0x10\r\n', accepted: false },
  { reply: '$9999999999\r\n', accepted: false },
  { reply: '$5\n', accepted: false },
  { reply: '+OK\n', accepted: false },
  { reply: '\r\n', accepted: false },
  { reply: '*0\r\n', accepted: false },
  { reply: '*-1\r\n', accepted: false },
  { reply: '_\r\n', accepted: false },
  { reply: '%1\r\n', accepted: false },
  { reply: '>1\r\n', accepted: false },
  { reply: 'OK\r\n', accepted: false },
]

t.test('strings, errors, numbers and short bulk strings, and nothing else', async t => {
  for (const { reply, accepted } of table) {
    t.equal(accepts(reply), accepted, JSON.stringify(reply.slice(0, 40)))
    t.equal(accepts(`+OK\r\n${bulk(3)}${reply}`), accepted, 'after others')
  }
})

t.test('however it is cut into pieces', async () => {
  const replies = array(constantFrom(...table), { minLength: 1, maxLength: 5 })
  assert(
    property(replies, integer({ min: 1, max: 7 }), (rows, size) => {
      const guard = new ReplyGuard({ maxBulkBytes: MAX })
      const bytes = Buffer.from(rows.map(({ reply }) => reply).join(''), 'latin1')
      let accepted = true
      for (let at = 0; accepted && at < bytes.length; at += size)
        accepted = guard.accepts(bytes.subarray(at, at + size))
      return accepted === rows.every(row => row.accepted)
    }),
  )
})
