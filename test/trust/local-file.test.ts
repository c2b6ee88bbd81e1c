import { execFileSync } from 'node:child_process'
import { appendFileSync, chmodSync, mkdirSync, renameSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { areUnchanged, readLocalFile } from '../../src/trust/local-file.ts'
import { temporaryDirectory } from '../support/gate.ts'

const MAX = 1000
const NOBODY = 65_534

t.test('case 197: what is no regular file, or too large, is refused and never waited for', async t => {
  const directory = temporaryDirectory(t)
  const at = (name: string): string => join(directory, name)
  writeFileSync(at('good'), 'x'.repeat(MAX))
  writeFileSync(at('large'), 'x'.repeat(MAX + 1))
  writeFileSync(at('huge'), '')
  truncateSync(at('huge'), 2 * 1024 ** 3)
  mkdirSync(at('directory'))
  execFileSync('mkfifo', [at('fifo')])
  symlinkSync('/dev/zero', at('zero'))
  symlinkSync('/proc/self/environ', at('environ'))
  symlinkSync(at('loop'), at('loop'))
  symlinkSync(at('good'), at('link'))
  const table: readonly { readonly name: string; readonly says: RegExp | 'read' | 'absent' }[] = [
    { name: 'good', says: 'read' },
    { name: 'link', says: 'read' },
    { name: 'none', says: 'absent' },
    { name: 'good/below', says: 'absent' },
    { name: 'large', says: /large has 1001 bytes, more than 1000$/ },
    { name: 'huge', says: /huge has 2147483648 bytes, more than 1000$/ },
    { name: 'directory', says: /is not a regular file$/ },
    { name: 'fifo', says: /is not a regular file$/ },
    { name: 'zero', says: /is not a regular file$/ },
    { name: 'environ', says: /kept changing while it was read$/ },
    { name: 'loop', says: /ELOOP/ },
  ]
  for (const { name, says } of table) {
    const read = readLocalFile(at(name), MAX)
    if (says === 'read') t.equal((await read).bytes?.byteLength, MAX, name)
    else if (says === 'absent') t.equal((await read).bytes, undefined, name)
    else await t.rejects(read, { name: 'TrustError', message: says }, name)
  }
})

t.test('case 197: what may not be read is an error, and not absent: nobody else is asked for it', async t => {
  const directory = temporaryDirectory(t)
  chmodSync(directory, 0o755)
  mkdirSync(join(directory, 'closed'))
  for (const name of ['key.pub', 'closed/key.pub']) writeFileSync(join(directory, name), 'x')
  chmodSync(join(directory, 'key.pub'), 0)
  chmodSync(join(directory, 'closed'), 0)
  t.teardown(() => chmodSync(join(directory, 'closed'), 0o755))
  // Root reads it all the same.
  if (process.geteuid?.() === 0) {
    process.seteuid?.(NOBODY)
    t.teardown(() => process.seteuid?.(0))
  }
  for (const name of ['key.pub', 'closed/key.pub']) {
    const read = readLocalFile(join(directory, name), MAX)
    await t.rejects(read, { name: 'TrustError', code: 'UNREADABLE', message: /EACCES/ }, name)
  }
})

t.test('case 194: a file that is being written is read again until it keeps still', async t => {
  const path = join(temporaryDirectory(t), 'policy.json')
  writeFileSync(path, 'begun')
  let writes = 0
  const writing = setInterval(() => {
    appendFileSync(path, '.')
    writes += 1
  }, 1)
  const restless = readLocalFile(path, MAX)
  const outcome = await restless.then(
    ({ bytes }) => bytes?.byteLength,
    (error: unknown) => String(error),
  )
  clearInterval(writing)
  if (typeof outcome === 'string') t.match(outcome, /kept changing/)
  else t.ok(outcome !== undefined && outcome <= 5 + writes, 'or it was met in a quiet moment, and is whole')
  const still = await readLocalFile(path, MAX)
  t.equal(still.bytes?.byteLength, 5 + writes)
  t.equal(await areUnchanged([still.stamp]), true)
  writeFileSync(`${path}.new`, 'x'.repeat(5 + writes))
  renameSync(`${path}.new`, path)
  t.equal(await areUnchanged([still.stamp]), false, 'another file of the same length')
})
