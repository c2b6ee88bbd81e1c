import t from 'tap'
import { digestOf } from '../../src/reference/digest.ts'
import { parseDockerReference } from '../../src/reference/image-reference.ts'
import { deriveKeys } from '../../src/shared/entry.ts'
import type { ReadAnswer, Write } from '../../src/shared/redis-connection.ts'
import { createSharedEntries, type SharedEntriesOptions } from '../../src/shared/shared-entries.ts'
import type { SharedEvent } from '../../src/shared/shared-event.ts'
import type { SharedFact, SharedKey, SharedMemory } from '../../src/verdict/shared-memory.ts'

const parsed = parseDockerReference('example.org/test')
if (parsed === undefined) throw new Error('no reference')
const { repository } = parsed
const digest = digestOf(Buffer.from('child'))
const key: SharedKey = { kind: 'child', snapshotId: 's', repository, digest, depth: 1 }
const fact: SharedFact = { kind: 'child', index: digestOf(Buffer.from('index')), signers: ['a'], goodUntil: undefined }

type Memory = { readonly memory: SharedMemory; readonly written: Write[]; readonly events: SharedEvent[] }

function memory(change: Partial<SharedEntriesOptions['connection']> = {}): Memory {
  const written: Write[] = []
  const events: SharedEvent[] = []
  const connection = {
    epoch: 1,
    read: async (names: readonly string[]): Promise<ReadAnswer> => ({
      ok: true,
      values: names.map(name => written.findLast(write => write.name === name)?.value ?? Buffer.alloc(0)),
    }),
    write: async (entries: readonly Write[]) => {
      written.push(...entries)
      return { ok: true } as const
    },
    ...change,
  }
  const keys = deriveKeys(Buffer.alloc(32, 7))
  const onEvent = (event: SharedEvent): void => void events.push(event)
  return {
    memory: createSharedEntries({ connection, keys, context: ['1'], prefix: 'p:', timeoutMs: 50, onEvent }),
    written,
    events,
  }
}

t.test('what is told is found, under its own key, in the order that was asked for', async t => {
  const { memory: shared, events } = memory()
  t.equal(await shared.tell([{ key, fact, ttlMs: 1000 }]), true)
  const found = await shared.find([{ ...key, depth: 2 }, key])
  t.equal(found[0], undefined)
  t.same(found[1]?.fact, fact)
  t.match(events, [
    { type: 'tell', outcome: 'told' },
    { type: 'look', outcome: 'hit' },
  ])
})

t.test('an entry lives as long as it was told for, or as what it rests on', async t => {
  const { memory: shared, written } = memory()
  await shared.tell([{ key, fact, ttlMs: 60_000 }])
  await shared.tell([{ key, fact: { ...fact, goodUntil: new Date(Date.now() + 5000) }, ttlMs: 60_000 }])
  t.equal(await shared.tell([{ key, fact: { ...fact, goodUntil: new Date(Date.now() - 1) }, ttlMs: 60_000 }]), true)
  t.equal(written.length, 2, 'what has ended is not told')
  t.equal(written[0]?.ttlMs, 60_000)
  t.ok((written[1]?.ttlMs ?? 0) > 4000 && (written[1]?.ttlMs ?? 0) <= 5000)
})

t.test('what the server kept for too long has expired all the same', async t => {
  const { memory: shared, events } = memory()
  await shared.tell([{ key, fact, ttlMs: 5 }])
  await new Promise(resolve => setTimeout(resolve, 20))
  t.same(await shared.find([key]), [undefined])
  t.match(events[1], { type: 'refused', reason: 'expired' })
})

t.test('what is too long is not told', async t => {
  const { memory: shared, written } = memory()
  const signers = Array.from({ length: 100 }, (_, at) => `${at} ${'x'.repeat(200)}`)
  t.equal(await shared.tell([{ key, fact: { ...fact, signers }, ttlMs: 1000 }]), true)
  t.same(written, [])
})

t.test('the wrong type, and fewer answers than were asked for', async t => {
  const wrong = memory({ read: async () => ({ ok: true, values: ['wrong-type'] }) })
  t.same(await wrong.memory.find([key, key]), [undefined, undefined])
  t.match(wrong.events, [
    { type: 'refused', reason: 'wrong-type' },
    { type: 'look', outcome: 'miss' },
  ])
})

t.test('a fault is told and rejects nothing', async t => {
  const fault = async (): Promise<never> => {
    throw new TypeError('a fault')
  }
  const { memory: shared, events } = memory({ read: fault, write: fault })
  t.same(await shared.find([key]), [])
  t.equal(await shared.tell([{ key, fact, ttlMs: 1000 }]), false)
  t.match(events, [{ type: 'fault' }, { type: 'fault' }])
})
