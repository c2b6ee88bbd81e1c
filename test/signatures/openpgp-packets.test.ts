import { array, assert, integer, property, record, uint8Array } from 'fast-check'
import t from 'tap'
import { framePackets, scanPackets } from '../../src/signatures/openpgp-packets.ts'

const hex = (text: string): Uint8Array => Buffer.from(text.replace(/\s/g, ''), 'hex')
const shown = (bytes: Uint8Array): string | undefined =>
  scanPackets(bytes, 10)
    ?.map(({ tag, body }) => `${tag}:${Buffer.from(body).toString('hex')}`)
    .join(' ')

t.test('headers, RFC 9580 section 4.2', async t => {
  const table = [
    { it: 'nothing', bytes: '', packets: '' },
    { it: 'current format, one octet', bytes: 'cb 02 0102', packets: '11:0102' },
    { it: 'current format, two octets', bytes: `cb c000 ${'aa'.repeat(192)}`, packets: `11:${'aa'.repeat(192)}` },
    { it: 'current format, five octets', bytes: 'cb ff00000001 01', packets: '11:01' },
    { it: 'current format, in parts', bytes: 'cb e1 0102 e0 03 02 0405', packets: '11:0102030405' },
    { it: 'legacy format, one octet', bytes: 'ac 02 0102', packets: '11:0102' },
    { it: 'legacy format, two octets', bytes: 'ad 0002 0102', packets: '11:0102' },
    { it: 'legacy format, four octets', bytes: 'ae 00000002 0102', packets: '11:0102' },
    { it: 'legacy format, to the end', bytes: 'a3 01 0203', packets: '8:010203' },
    { it: 'two packets', bytes: 'cb 01 01 88 01 02', packets: '11:01 2:02' },
    { it: 'an empty body', bytes: 'cb 00', packets: '11:' },
    { it: 'no packet', bytes: '3c68', packets: undefined },
    { it: 'no length', bytes: 'cb', packets: undefined },
    { it: 'half a length', bytes: 'cb c0', packets: undefined },
    { it: 'half a long length', bytes: 'cb ff000000', packets: undefined },
    { it: 'half a legacy length', bytes: 'ad 00', packets: undefined },
    { it: 'a body cut off', bytes: 'cb 03 0102', packets: undefined },
    { it: 'a length beyond 31 bits', bytes: 'cb ffffffffff 01', packets: undefined },
    { it: 'parts without an end', bytes: 'cb e1 0102', packets: undefined },
    { it: 'a part cut off', bytes: 'cb f0 0102', packets: undefined },
    { it: 'bytes behind the last packet', bytes: 'cb 01 01 0a', packets: undefined },
  ]
  for (const row of table) t.equal(shown(hex(row.bytes)), row.packets, row.it)
})

t.test('more packets than allowed are none', async t => {
  const three = hex('cb00 cb00 cb00')
  t.equal(scanPackets(three, 3)?.length, 3)
  t.equal(scanPackets(three, 2), undefined)
})

t.test('what is framed is read back', async () => {
  const packet = record({ tag: integer({ min: 0, max: 63 }), body: uint8Array({ maxLength: 400 }) })
  assert(
    property(array(packet, { maxLength: 5 }), packets => {
      const read = scanPackets(framePackets(packets), 5) ?? []
      return JSON.stringify(read.map(plain)) === JSON.stringify(packets.map(plain))
    }),
  )
})

t.test('no bytes make it throw', async () => {
  assert(
    property(uint8Array({ maxLength: 64 }), bytes => {
      scanPackets(bytes, 10)
    }),
  )
})

function plain({ tag, body }: { tag: number; body: Uint8Array }): unknown {
  return [tag, Buffer.from(body).toString('hex')]
}
