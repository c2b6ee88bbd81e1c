import { createHmac } from 'node:crypto'
import { assert, property, uint8Array } from 'fast-check'
import t from 'tap'
import { deriveKeys, ENTRY_VERSION, MAX_ENTRY_BYTES, openEntry, sealEntry } from '../../src/shared/entry.ts'

const keys = deriveKeys(Buffer.alloc(32, 1))
const key = Buffer.from('the key')
const payload = Buffer.from('the payload')
const now = new Date(1_800_000_000_000)
const expiresAt = new Date(now.getTime() + 1000)
const entry = sealEntry({ key, payload, expiresAt }, keys.mac)
const open = { key, macKey: keys.mac, now }

t.test('an entry opens for its own key until it expires', async t => {
  t.same(openEntry(entry, open), { ok: true, payload, expiresAt })
  t.same(openEntry(entry, { ...open, now: new Date(expiresAt.getTime() - 1) }), { ok: true, payload, expiresAt })
})

t.test('and for nothing else', async t => {
  const changed = (at: number): Buffer => {
    const copy = Buffer.from(entry)
    copy[at] = (copy[at] ?? 0) ^ 0x80
    return copy
  }
  const later = Buffer.from(entry)
  later.writeBigUInt64BE(BigInt(expiresAt.getTime() + 3_600_000), 33)
  const table: readonly {
    readonly name: string
    readonly bytes: Uint8Array
    readonly with: object
    readonly problem: string
  }[] = [
    { name: 'nothing', bytes: Buffer.alloc(0), with: {}, problem: 'too-short' },
    { name: 'its head without a payload', bytes: entry.subarray(0, 41), with: {}, problem: 'mac' },
    { name: 'a byte less than its head', bytes: entry.subarray(0, 40), with: {}, problem: 'too-short' },
    { name: 'a byte too many', bytes: Buffer.concat([entry, Buffer.alloc(1)]), with: {}, problem: 'mac' },
    { name: 'version 0', bytes: Buffer.concat([Buffer.from([0]), entry.subarray(1)]), with: {}, problem: 'version' },
    {
      name: 'the next version',
      bytes: Buffer.concat([Buffer.from([2]), entry.subarray(1)]),
      with: {},
      problem: 'version',
    },
    { name: 'a longer life', bytes: later, with: {}, problem: 'mac' },
    { name: 'another key', bytes: entry, with: { key: Buffer.from('the keZ') }, problem: 'mac' },
    { name: 'a key that begins the payload', bytes: entry, with: { key: Buffer.from('the keyt') }, problem: 'mac' },
    { name: 'another secret', bytes: entry, with: { macKey: deriveKeys(Buffer.alloc(32, 2)).mac }, problem: 'mac' },
    { name: 'the key for names', bytes: entry, with: { macKey: keys.name }, problem: 'mac' },
    { name: 'the moment it expires', bytes: entry, with: { now: expiresAt }, problem: 'expired' },
    { name: 'a day later', bytes: entry, with: { now: new Date(now.getTime() + 86_400_000) }, problem: 'expired' },
    ...Array.from(entry, (_, at) => ({
      name: `byte ${at}`,
      bytes: changed(at),
      with: {},
      problem: at === 0 ? 'version' : 'mac',
    })),
  ]
  for (const row of table)
    t.same(openEntry(row.bytes, { ...open, ...row.with }), { ok: false, problem: row.problem }, row.name)
})

t.test('an expiry that is no date has passed', async t => {
  const expiry = Buffer.alloc(8, 0xff)
  const version = Buffer.from([ENTRY_VERSION])
  const length = Buffer.from([0, 0, 0, key.length])
  const mac = createHmac('sha256', keys.mac)
    .update(Buffer.concat([version, length, key, expiry, payload]))
    .digest()
  t.same(openEntry(Buffer.concat([version, mac, expiry, payload]), open), { ok: false, problem: 'expired' })
})

t.test('the size at its limit, and one byte above', async t => {
  const of = (bytes: number): Buffer => sealEntry({ key, payload: Buffer.alloc(bytes - 41), expiresAt }, keys.mac)
  t.equal(openEntry(of(MAX_ENTRY_BYTES), open).ok, true)
  t.same(openEntry(of(MAX_ENTRY_BYTES + 1), open), { ok: false, problem: 'too-large' })
})

t.test('a secret of 31 bytes is none', async t => {
  t.throws(() => deriveKeys(Buffer.alloc(31, 1)), RangeError)
  t.not(Buffer.compare(keys.mac, keys.name), 0)
})

t.test('whatever is sealed is what is opened, and noise never opens', async () => {
  const bytes = uint8Array({ maxLength: 300 })
  assert(
    property(bytes, bytes, (key, payload) => {
      const opened = openEntry(sealEntry({ key, payload, expiresAt }, keys.mac), { key, macKey: keys.mac, now })
      return opened.ok && Buffer.compare(opened.payload, payload) === 0
    }),
  )
  assert(property(bytes, noise => !openEntry(noise, open).ok))
})
