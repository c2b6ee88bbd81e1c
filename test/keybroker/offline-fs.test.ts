import { spawnSync } from 'node:child_process'
import { appendFileSync, mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { MAX_RESOURCE_BYTES, type KeyBroker } from '../../src/keybroker/broker.ts'
import { openKeyBroker } from '../../src/keybroker/open-broker.ts'
import { resourcesFile } from '../support/resources-file.ts'
import { expectError, named, NEVER, textOf } from './expect-error.ts'

const KEY = 'kbs:///default/cosign-public-key/test'

function brokerOver(t: Test, content: string | Buffer): { readonly broker: KeyBroker; readonly path: string } {
  const path = join(t.testdir({}), 'resources.json')
  writeFileSync(path, content)
  return { broker: openKeyBroker({ kind: 'offline-fs', address: path }), path }
}

t.test('both generations of names', async t => {
  const old = brokerOver(t, resourcesFile({ Policy: 'policy', 'Cosign Key': 'key', 'My Own': 'x' })).broker
  t.equal(await textOf(old, 'Policy'), 'policy')
  t.equal(await textOf(old, KEY), 'key')
  t.equal(await textOf(old, 'My Own'), 'x')
  await expectError(t, old, 'policy', { code: 'REFUSED', says: /has no "policy"; it has "Policy", "Cosign Key"/ })

  const today = brokerOver(t, resourcesFile({ 'default/cosign-public-key/test': 'key', 'a/b/c': 'x' })).broker
  t.equal(await textOf(today, KEY), 'key')
  t.equal(await textOf(today, 'Cosign Key'), 'key')
  t.equal(await textOf(today, 'a/b/c'), 'x', 'a name is any key of the file')
  t.equal(await textOf(today, 'kbs:///a/b/c'), 'x')
  await expectError(t, today, 'kbs:///a/b/d', { code: 'REFUSED', says: /has no "a\/b\/d"; it has/ })

  const both = brokerOver(t, resourcesFile({ 'Cosign Key': 'old', 'default/cosign-public-key/test': 'new' })).broker
  t.equal(await textOf(both, 'Cosign Key'), 'old', 'what was asked for comes first')
  t.equal(await textOf(both, KEY), 'new')
})

t.test('names that no agent would find are pointed out', async t => {
  for (const key of ['/default/cosign-public-key/test', 'kbs:///default/cosign-public-key/test']) {
    const { broker } = brokerOver(t, resourcesFile({ [key]: 'x' }))
    await expectError(t, broker, KEY, { code: 'REFUSED', says: /leave out what stands before/ })
  }
})

t.test('a file with anything wrong in it has no resources (cases 187, 188, 199)', async t => {
  const good = '"default/cosign-public-key/test":"a2V5"'
  const table: readonly (readonly [it: string, content: string | Buffer, says: RegExp])[] = [
    ['a character that is not base64', `{${good},"default/a/b":"!!!!"}`, /\["default\/a\/b"\]: is not standard/],
    ['the URL alphabet', `{${good},"a":"_-_-"}`, /a: is not standard/],
    ['no padding', `{${good},"a":"eA"}`, /a: is not standard/],
    ['a newline', `{${good},"a":"eHh4\\n"}`, /a: is not standard/],
    ['bits that are not zero', `{${good},"a":"eB=="}`, /a: is not standard/],
    ['no string', `{${good},"a":5}`, /a: is not standard/],
    ['an object', `{${good},"a":{}}`, /a: is not standard/],
    ['the same name twice', `{${good},${good}}`, /is repeated/],
    ['the same name twice, escaped', `{${good},"default/cosign-public-key/tes\\u0074":"eA=="}`, /is repeated/],
    ['an array', '[]', /expected an object/],
    ['null', 'null', /expected an object/],
    ['nothing', '', /line 1/],
    ['half of it', `{${good}`, /line 1/],
    ['a byte order mark', `\ufeff{${good}}`, /line 1/],
    ['no UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), /UTF-8/],
    ['depth', '{"a":'.repeat(100_000), /nested deeper/],
  ]
  for (const [it, content, says] of table) {
    await t.test(it, async t => {
      await expectError(t, brokerOver(t, content).broker, KEY, { code: 'BAD_ANSWER', says })
    })
  }
})

t.test('no value of a broken file is in a message', async t => {
  const { broker } = brokerOver(t, '{"a":"c2VjcmV0!","b":"c2VjcmV0"}')
  const error: unknown = await broker.get(named(KEY), NEVER).catch((thrown: unknown) => thrown)
  t.notMatch(String(error), /c2VjcmV0|secret/)
})

t.test('double base64 is handed on as it is: whoever reads the key refuses it (case 188)', async t => {
  const { broker } = brokerOver(t, resourcesFile({ 'Cosign Key': Buffer.from('key').toString('base64') }))
  t.equal(await textOf(broker, 'Cosign Key'), 'a2V5')
})

t.test('empty resources (case 187)', async t => {
  for (const value of ['', ' \n']) {
    await expectError(t, brokerOver(t, resourcesFile({ Policy: value })).broker, 'Policy', { code: 'EMPTY' })
  }
  await expectError(t, brokerOver(t, '{}').broker, 'Policy', { code: 'REFUSED', says: /has no resources/ })
})

t.test('sizes', async t => {
  const full = Buffer.alloc(MAX_RESOURCE_BYTES, 'x')
  t.equal((await textOf(brokerOver(t, resourcesFile({ Policy: full })).broker, 'Policy')).length, MAX_RESOURCE_BYTES)
  const more = brokerOver(t, resourcesFile({ Policy: Buffer.concat([full, full.subarray(0, 1)]) })).broker
  await expectError(t, more, 'Policy', { code: 'TOO_LARGE' })
  const large = brokerOver(t, Buffer.alloc(8 * 1024 * 1024 + 1, ' ')).broker
  await expectError(t, large, 'Policy', { code: 'TOO_LARGE', says: /the file has more than/ })
})

t.test('a change is seen at once, also by a swap of symbolic links (case 195)', async t => {
  const dir = t.testdir({})
  for (const year of ['one', 'two']) {
    mkdirSync(join(dir, year))
    writeFileSync(join(dir, year, 'resources.json'), resourcesFile({ Policy: year }))
  }
  symlinkSync('one', join(dir, '..data'))
  symlinkSync('..data/resources.json', join(dir, 'resources.json'))
  const broker = openKeyBroker({ kind: 'offline-fs', address: join(dir, 'resources.json') })
  t.equal(await textOf(broker, 'Policy'), 'one')
  symlinkSync('two', join(dir, '..data_tmp'))
  renameSync(join(dir, '..data_tmp'), join(dir, '..data'))
  t.equal(await textOf(broker, 'Policy'), 'two')
})

t.test('a file that is being written is read when it keeps still, and till then not at all (case 194)', async t => {
  const rows = [
    { it: 'longer', write: (path: string): void => appendFileSync(path, ' ') },
    { it: 'of the same length', write: (path: string): void => writeFileSync(path, resourcesFile({ Policy: 'new' })) },
  ]
  for (const { it, write } of rows) {
    const { broker, path } = brokerOver(t, resourcesFile({ Policy: 'old' }))
    utimesSync(path, 0, 0)
    const handle = await open(path)
    const prototype: { stat: (options: object) => Promise<unknown> } = Object.getPrototypeOf(handle)
    await handle.close()
    const { stat } = prototype
    let writes = 0
    let writesLeft = Infinity
    // Somebody else writes after every look at the file.
    const watched = t.intercept(prototype, 'stat', {
      async value(this: object, options: object): Promise<unknown> {
        const stats: unknown = await Reflect.apply(stat, this, [options])
        if (writesLeft > 0) write(path)
        writes += 1
        writesLeft -= 1
        return stats
      },
    })
    await expectError(t, broker, 'Policy', { code: 'NOT_REACHABLE', says: /kept changing/ })
    t.equal(writes, 10, `${it}: five looks, before and after`)
    writesLeft = 1
    t.equal(await textOf(broker, 'Policy'), it === 'longer' ? 'old' : 'new', `${it}: what it is when it keeps still`)
    watched.restore()
  }
})

t.test('what is no file is not waited for (case 197)', async t => {
  const { broker, path } = brokerOver(t, '{}')
  rmSync(path)
  await expectError(t, broker, 'Policy', { code: 'NOT_REACHABLE', says: /ENOENT/ })
  mkdirSync(path)
  await expectError(t, broker, 'Policy', { code: 'NOT_REACHABLE', says: /not a regular file/ })
  rmSync(path, { recursive: true })
  spawnSync('mkfifo', [path])
  await expectError(t, broker, 'Policy', { code: 'NOT_REACHABLE', says: /not a regular file/ })
  rmSync(path)
  symlinkSync('/dev/zero', path)
  await expectError(t, broker, 'Policy', { code: 'NOT_REACHABLE', says: /not a regular file/ })
  rmSync(path)
  symlinkSync(path, path)
  await expectError(t, broker, 'Policy', { code: 'NOT_REACHABLE', says: /ELOOP/ })
})

t.test('a caller gave up', async t => {
  const { broker } = brokerOver(t, '{}')
  await t.rejects(broker.get(named('Policy'), AbortSignal.abort(new Error('no more'))), { message: 'no more' })
})
