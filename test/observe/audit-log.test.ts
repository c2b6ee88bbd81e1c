import { existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { AuditLog } from '../../src/observe/audit-log.ts'
import { temporaryDirectory } from '../support/gate.ts'

const never = (): void => {
  throw new Error('lost')
}

t.test('one line a record, in order', async t => {
  const file = join(temporaryDirectory(t), 'audit.jsonl')
  const log = new AuditLog({ file, maxBytes: 1e6, keep: 2, onLost: never })
  for (let n = 0; n < 2500; n += 1) log.write({ n })
  await log.close()
  const lines = readFileSync(file, 'utf8').trim().split('\n')
  t.same(
    lines.map(line => JSON.parse(line).n),
    [...Array(2500).keys()],
  )
})

t.test('rotated by size, the oldest dropped', async t => {
  const file = join(temporaryDirectory(t), 'audit.jsonl')
  const log = new AuditLog({ file, maxBytes: 10, keep: 2, onLost: never })
  for (let n = 0; n < 5; n += 1) {
    log.write({ n })
    await log.flush()
  }
  t.equal(readFileSync(file, 'utf8'), '{"n":4}\n')
  t.equal(readFileSync(`${file}.1`, 'utf8'), '{"n":3}\n')
  t.equal(readFileSync(`${file}.2`, 'utf8'), '{"n":2}\n')
  t.notOk(existsSync(`${file}.3`))
})

t.test('what cannot be written is counted and told once, and writing goes on when it can (case 210)', async t => {
  const file = join(temporaryDirectory(t), 'audit.jsonl')
  mkdirSync(file)
  const lost: { records: number; first: boolean }[] = []
  const log = new AuditLog({
    file,
    maxBytes: 1e6,
    keep: 1,
    onLost: ({ records, first }) => lost.push({ records, first }),
  })
  for (let n = 0; n < 3; n += 1) {
    log.write({ n })
    await log.flush()
  }
  t.same(lost, [
    { records: 1, first: true },
    { records: 1, first: false },
    { records: 1, first: false },
  ])
  rmdirSync(file)
  log.write({ n: 3 })
  await log.close()
  t.equal(readFileSync(file, 'utf8'), '{"n":3}\n')
})

t.test('a full disk (/dev/full) is no different', { skip: !existsSync('/dev/full') }, async t => {
  const codes: unknown[] = []
  const log = new AuditLog({
    file: '/dev/full',
    maxBytes: 1e6,
    keep: 1,
    onLost: ({ error }) => codes.push(error instanceof Error && 'code' in error ? error.code : error),
  })
  log.write({ n: 1 })
  await log.close()
  t.same(codes, ['ENOSPC'])
})

t.test('the queue is bounded', async t => {
  const file = join(temporaryDirectory(t), 'audit.jsonl')
  let lost = 0
  const log = new AuditLog({ file, maxBytes: 1e9, keep: 1, onLost: ({ records }) => (lost += records) })
  for (let n = 0; n < 20_010; n += 1) log.write({ n })
  t.equal(lost, 10)
  await log.close()
})
