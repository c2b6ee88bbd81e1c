import t from 'tap'
import { resolveRange } from '../../src/upstream/byte-range.ts'

const table = [
  { range: 'bytes=0-9', size: 100, part: { first: 0, last: 9 } },
  { range: 'bytes=0-99', size: 100, part: { first: 0, last: 99 } },
  { range: 'bytes=0-100', size: 100, part: { first: 0, last: 99 } },
  { range: 'bytes=99-', size: 100, part: { first: 99, last: 99 } },
  { range: 'bytes=100-', size: 100, part: 'unsatisfiable' },
  { range: 'bytes=9-5', size: 100, part: 'unsatisfiable' },
  { range: 'bytes=-1', size: 100, part: { first: 99, last: 99 } },
  { range: 'bytes=-100', size: 100, part: { first: 0, last: 99 } },
  { range: 'bytes=-101', size: 100, part: { first: 0, last: 99 } },
  { range: 'bytes=-0', size: 100, part: 'unsatisfiable' },
  { range: 'bytes=0-', size: 0, part: 'unsatisfiable' },
  { range: 'bytes=-1', size: 0, part: 'unsatisfiable' },
  { range: 'bytes=-', size: 100, part: 'unsatisfiable' },
]
for (const { range, size, part } of table) t.same(resolveRange(range, size), part, `${range} of ${size}`)
