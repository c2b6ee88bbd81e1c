import t from 'tap'
import { snapshotId, type LoadedMaterial } from '../../src/trust/snapshot.ts'

const material = (place: string, text: string, change: Partial<LoadedMaterial> = {}): LoadedMaterial => ({
  kind: 'cosign-key',
  place,
  from: 'disk',
  bytes: Buffer.from(text),
  ...change,
})

type Parts = {
  readonly policy: string
  readonly materials: readonly LoadedMaterial[]
  readonly settings: readonly string[]
}

const USUAL: Parts = {
  policy: '{}',
  materials: [material('a.pub', 'one'), material('b.pub', 'two')],
  settings: ['asClaimed', 'covers'],
}
const idOf = ({ policy, materials, settings }: Parts): string => snapshotId(Buffer.from(policy), materials, settings)

t.test('case 172: a snapshot’s id is of what is in force: bytes, and never files or times', async t => {
  const [a, b] = [material('a.pub', 'one'), material('b.pub', 'two')]
  const table: readonly { readonly it: string; readonly change: Partial<Parts>; readonly same: boolean }[] = [
    { it: 'loaded anew', change: {}, same: true },
    { it: 'in another order', change: { materials: [b, a] }, same: true },
    { it: 'from the broker, byte for byte', change: { materials: [{ ...a, from: 'broker' }, b] }, same: true },
    { it: 'another policy', change: { policy: '{ }' }, same: false },
    { it: 'another key by the same name', change: { materials: [material('a.pub', 'onE'), b] }, same: false },
    {
      it: 'the keys exchanged',
      change: { materials: [material('a.pub', 'two'), material('b.pub', 'one')] },
      same: false,
    },
    { it: 'the key by another name', change: { materials: [material('c.pub', 'one'), b] }, same: false },
    { it: 'as a key for something else', change: { materials: [{ ...a, kind: 'rekor-key' }, b] }, same: false },
    { it: 'a key less', change: { materials: [a] }, same: false },
    { it: 'a key more', change: { materials: [a, b, material('c.pub', '')] }, same: false },
    {
      it: 'a trusted root',
      change: { materials: [a, b, material('root.json', '{}', { kind: 'trusted-root' })] },
      same: false,
    },
    { it: 'another reading', change: { settings: ['none', 'covers'] }, same: false },
  ]
  for (const { it, change, same } of table) t.equal(idOf({ ...USUAL, ...change }) === idOf(USUAL), same, it)
})

t.test('case 176: bytes that stand side by side do not run into each other', async t => {
  const none: Parts = { policy: '', materials: [], settings: ['', ''] }
  const groups: readonly (readonly Partial<Parts>[])[] = [
    [{ policy: 'ab' }, { policy: 'a', settings: ['b', ''] }, { settings: ['ab', ''] }, { settings: ['a', 'b'] }],
    [{ materials: [material('p', 'xcosign-key qy')] }, { materials: [material('p', 'x'), material('q', 'y')] }],
    [{ materials: [material('p', 'q')] }, { materials: [material('pq', '')] }],
  ]
  for (const group of groups) {
    const ids = group.map(parts => idOf({ ...none, ...parts }))
    t.equal(new Set(ids).size, group.length, JSON.stringify(group).slice(0, 100))
  }
})
