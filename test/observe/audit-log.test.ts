import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openAuditFile } from '../../src/observe/audit-file.ts'
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

const line = (n: number): string => `${JSON.stringify({ n })}\n`
const LINE = line(0).length

t.test('the limit, to the byte: a file that is just full stays, one byte more is another file', async t => {
  const table = [
    { it: 'just full', maxBytes: 3 * LINE, files: ['012', undefined, undefined] },
    { it: 'one byte too small', maxBytes: 3 * LINE - 1, files: ['2', '01', undefined] },
    { it: 'one line each', maxBytes: LINE, files: ['2', '1', '0'] },
    { it: 'lines longer than a file have one each', maxBytes: 1, files: ['2', '1', '0'] },
  ]
  for (const { it, maxBytes, files } of table) {
    for (const batched of [true, false]) {
      const file = join(temporaryDirectory(t), 'audit.jsonl')
      const log = new AuditLog({ file, maxBytes, keep: 3, onLost: never })
      for (let n = 0; n < 3; n += 1) {
        log.write({ n })
        if (!batched) await log.flush()
      }
      await log.close()
      const found = [file, `${file}.1`, `${file}.2`].map(path =>
        existsSync(path) ? readFileSync(path, 'utf8') : undefined,
      )
      t.same(
        found,
        files.map(
          digits =>
            digits &&
            Array.from(digits)
              .map(digit => line(Number(digit)))
              .join(''),
        ),
        `${it}, ${batched ? 'in one batch' : 'one by one'}`,
      )
    }
  }
})

t.test('a disk that is full in the middle of a batch: what follows begins on a line of its own', async t => {
  const file = join(temporaryDirectory(t), 'audit.jsonl')
  let full = false
  let lost = 0
  const log = new AuditLog({
    file,
    maxBytes: 1e6,
    keep: 1,
    onLost: ({ records }) => (lost += records),
    open: async path => {
      const opened = await openAuditFile(path)
      const append = async (text: string): Promise<void> => {
        if (!full) return opened.append(text)
        await opened.append(text.slice(0, LINE + 3))
        throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
      }
      return { ...opened, append }
    },
  })
  log.write({ n: 0 })
  await log.flush()
  full = true
  for (const n of [1, 2, 3]) log.write({ n })
  await log.flush()
  full = false
  log.write({ n: 4 })
  await log.close()
  t.equal(readFileSync(file, 'utf8'), `${line(0)}${line(1)}${line(2).slice(0, 3)}\n${line(4)}`)
  t.equal(lost, 3)
  t.notOk(existsSync(`${file}.1`), 'a full disk puts nothing aside')
})

t.test('a line that a crash has cut short is left alone', async t => {
  const file = join(temporaryDirectory(t), 'audit.jsonl')
  writeFileSync(file, `${line(0)}{"n"`)
  const log = new AuditLog({ file, maxBytes: 1e6, keep: 1, onLost: never })
  log.write({ n: 1 })
  await log.close()
  t.equal(readFileSync(file, 'utf8'), `${line(0)}{"n"\n${line(1)}`)
})

t.test('a file that somebody else moves or empties (logrotate) is opened anew, and its size is its own', async t => {
  const file = join(temporaryDirectory(t), 'audit.jsonl')
  const log = new AuditLog({ file, maxBytes: 3 * LINE, keep: 1, onLost: never })
  const write = async (...numbers: readonly number[]): Promise<void> => {
    for (const n of numbers) log.write({ n })
    await log.flush()
  }
  await write(0, 1)
  renameSync(file, `${file}.moved`)
  await write(2, 3)
  t.equal(readFileSync(file, 'utf8'), line(2) + line(3))
  truncateSync(file)
  await write(4, 5)
  t.equal(readFileSync(file, 'utf8'), line(4) + line(5))
  t.notOk(existsSync(`${file}.1`), 'none was full')
  await log.close()
})

t.test('where the file cannot be put aside, nothing that was kept is lost, and it goes on when it can', async t => {
  const directory = temporaryDirectory(t)
  const file = join(directory, 'audit.jsonl')
  for (const n of [1, 2]) writeFileSync(`${file}.${n}`, `old ${n}`)
  mkdirSync(`${file}.0`)
  mkdirSync(join(`${file}.0`, 'in the way'))
  mkdirSync(`${file}.3`)
  let lost = 0
  const log = new AuditLog({ file, maxBytes: LINE, keep: 3, onLost: ({ records }) => (lost += records) })
  for (const n of [0, 1, 2]) {
    log.write({ n })
    await log.flush()
  }
  t.equal(lost, 2)
  t.same(
    [1, 2].map(n => readFileSync(`${file}.${n}`, 'utf8')),
    ['old 1', 'old 2'],
  )
  t.equal(readFileSync(file, 'utf8'), line(0))
  rmdirSync(join(`${file}.0`, 'in the way'))
  rmdirSync(`${file}.0`)
  rmdirSync(`${file}.3`)
  log.write({ n: 3 })
  await log.close()
  t.equal(readFileSync(file, 'utf8'), line(3))
  t.same(
    [1, 2, 3].map(n => readFileSync(`${file}.${n}`, 'utf8')),
    [line(0), 'old 1', 'old 2'],
  )
})

t.test('a rotation that a crash has cut short is finished', async t => {
  const directory = temporaryDirectory(t)
  const file = join(directory, 'audit.jsonl')
  writeFileSync(`${file}.0`, 'put aside')
  writeFileSync(`${file}.1`, 'older')
  const log = new AuditLog({ file, maxBytes: LINE, keep: 3, onLost: never })
  for (const n of [0, 1]) log.write({ n })
  await log.close()
  t.same(
    [1, 2, 3].map(n => readFileSync(`${file}.${n}`, 'utf8')),
    [line(0), 'put aside', 'older'],
  )
  t.same(readdirSync(directory).sort(), ['audit.jsonl', 'audit.jsonl.1', 'audit.jsonl.2', 'audit.jsonl.3'])
})
