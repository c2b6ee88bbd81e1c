import { assert, property, string } from 'fast-check'
import t from 'tap'
import { digestOf } from '../../src/reference/digest.ts'
import { parseDockerReference } from '../../src/reference/image-reference.ts'
import { entryName, keyBytes } from '../../src/shared/entry-key.ts'
import type { SharedKey } from '../../src/verdict/shared-memory.ts'

const digest = digestOf(Buffer.from('a'))
const other = digestOf(Buffer.from('b'))
const test = parseDockerReference('example.org/test:1')
const nested = parseDockerReference('example.org/test/x:2')
if (test?.tag === undefined || nested?.tag === undefined) throw new Error('no references')
const { repository, tag } = test

const tagged = { by: 'tag', repository, tag } as const
const verdict: SharedKey = { kind: 'verdict', snapshotId: 's', reference: tagged, digest }
const context = ['entry 1', 'sealgate 1', 'asClaimed']

/** All of these rest on something else. */
const table: readonly { readonly name: string; readonly key: SharedKey; readonly context?: readonly string[] }[] = [
  { name: 'a verdict on a tag', key: verdict },
  { name: 'of another snapshot', key: { ...verdict, snapshotId: 't' } },
  { name: 'of another tag', key: { ...verdict, reference: { ...tagged, tag: nested.tag } } },
  { name: 'of another repository', key: { ...verdict, reference: { ...tagged, repository: nested.repository } } },
  { name: 'on other bytes', key: { ...verdict, digest: other } },
  { name: 'by digest', key: { ...verdict, reference: { by: 'digest', repository, digest } } },
  { name: 'of another version', key: verdict, context: ['entry 1', 'sealgate 2', 'asClaimed'] },
  { name: 'of another reading', key: verdict, context: ['entry 1', 'sealgate 1', 'none'] },
  { name: 'without a setting', key: verdict, context: ['entry 1', 'sealgate 1'] },
  { name: 'with the settings run together', key: verdict, context: ['entry 1', 'sealgate 1asClaimed'] },
  { name: 'a child', key: { kind: 'child', snapshotId: 's', repository, digest, depth: 1 } },
  { name: 'a deeper child', key: { kind: 'child', snapshotId: 's', repository, digest, depth: 2 } },
  {
    name: 'a child elsewhere',
    key: { kind: 'child', snapshotId: 's', repository: nested.repository, digest, depth: 1 },
  },
  { name: 'what a client was told', key: { kind: 'tag', snapshotId: 's', repository, digest, client: '127.0.0.1' } },
  { name: 'what another was', key: { kind: 'tag', snapshotId: 's', repository, digest, client: '127.0.0.2' } },
  { name: 'a client with the name of a depth', key: { kind: 'tag', snapshotId: 's', repository, digest, client: '1' } },
]

t.test('cases 175, 176, 182: no two keys share their bytes or their name', async t => {
  const nameKey = Buffer.alloc(32, 3)
  const names = table.map(row => entryName(keyBytes(row.key, row.context ?? context), nameKey, 'p:'))
  for (const [at, row] of table.entries()) t.equal(names.indexOf(names[at] ?? ''), at, row.name)
  for (const name of names) t.match(name, /^p:[0-9a-f]{64}$/, 'nothing of the key can be read')
  const [first] = table
  t.not(
    entryName(keyBytes(first?.key ?? verdict, context), Buffer.alloc(32, 4), 'p:'),
    names[0],
    'nor computed without the secret',
  )
})

t.test('case 176: no separator could take the place of the lengths', async t => {
  const key = (client: string): SharedKey => ({ kind: 'tag', snapshotId: 's', repository, digest, client })
  for (const separator of ['', ':', ' ', '/', ',', '\n', '\0', '\u00ff']) {
    // Joined by it, both tuples are `1 a MIDDLE b MIDDLE c`.
    const middle = ['', 'tag', 's', 'example.org/test', digest, ''].join(separator)
    const one = keyBytes(key(`b${middle}c`), ['a'])
    const other = keyBytes(key('c'), [`a${middle}b`])
    t.notOk(one.equals(other), JSON.stringify(separator))
  }
})

t.test('clients and settings of any text do not run into each other', async () => {
  const text = string({ maxLength: 20 })
  const key = (client: string): SharedKey => ({ kind: 'tag', snapshotId: 's', repository, digest, client })
  assert(
    property(text, text, text, text, (a, b, c, d) => {
      const same = keyBytes(key(a), [b]).equals(keyBytes(key(c), [d]))
      return same === (Buffer.from(a).equals(Buffer.from(c)) && Buffer.from(b).equals(Buffer.from(d)))
    }),
  )
})
