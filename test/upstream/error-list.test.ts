import t from 'tap'
import { formatComplaints, parseErrorList } from '../../src/upstream/error-list.ts'

const said = (value: unknown, secrets: readonly string[] = []): string =>
  formatComplaints(parseErrorList(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)), secrets))
const one = (message: unknown, code: unknown = 'DENIED') => ({ errors: [{ code, message }] })

const table: readonly { it: string; value: unknown; line: string; secrets?: readonly string[] }[] = [
  { it: 'one', value: one('requested access is denied'), line: ' (DENIED: requested access is denied)' },
  { it: 'no message', value: { errors: [{ code: 'DENIED' }] }, line: ' (DENIED)' },
  { it: 'a detail is left out', value: { errors: [{ code: 'DENIED', detail: { a: 1 } }] }, line: ' (DENIED)' },
  {
    it: 'three of many',
    value: { errors: Array.from({ length: 9 }, () => ({ code: 'A', message: '' })) },
    line: ' (A; A; A)',
  },
  { it: 'a long one is cut', value: one('x'.repeat(999)), line: ` (DENIED: ${'x'.repeat(160)}…)` },
  { it: 'case 150: lines', value: one('a\r\nSet-Cookie: x\n'), line: ' (DENIED: a Set-Cookie: x)' },
  { it: 'case 150: a terminal', value: one('a\u001b[2Jb\u0000\u202ec'), line: ' (DENIED: a [2Jb c)' },
  { it: 'a code that is none', value: one('x', 'A\nB'), line: '' },
  { it: 'other types', value: { errors: [1, null, 'x', [], one(1)] }, line: '' },
  { it: 'no list', value: { errors: 'x' }, line: '' },
  { it: 'null', value: 'null', line: '' },
  { it: 'HTML', value: '<html>', line: '' },
  { it: 'nothing', value: '', line: '' },
  {
    it: 'what was sent does not come back',
    value: one('bad token abc.def for s3cret'),
    secrets: ['abc.def', 's3cret', ''],
    line: ' (DENIED: bad token … for …)',
  },
]
for (const { it, value, line, secrets } of table) t.equal(said(value, secrets), line, it)
