import t from 'tap'
import { parseManifest } from '../../src/manifest/manifest.ts'
import { parseDockerReference, type ImageReference } from '../../src/reference/image-reference.ts'
import { AdmittedDigests } from '../../src/verdict/admitted-digests.ts'
import type { Decision } from '../../src/verdict/decision.ts'
import { acceptedVia, type Judge, type JudgeInput } from '../../src/verdict/judge.ts'
import { createSharedJudge } from '../../src/verdict/shared-judge.ts'
import type { SharedMemory, ToldFact } from '../../src/verdict/shared-memory.ts'
import { VerdictCache } from '../../src/verdict/verdict-cache.ts'
import { parsePolicy } from '../../src/policy/parse-policy.ts'
import type { Snapshot } from '../../src/trust/snapshot.ts'
import { imageOf, indexOf } from '../support/signer.ts'

const parsed = parsePolicy(Buffer.from('{"default":[{"type":"reject"}]}'))
if (!parsed.ok) throw new Error('no policy')
const snapshot: Snapshot = {
  id: 'snapshot',
  policy: parsed.value,
  trust: new Map(),
  materials: [],
  loadedAt: new Date(),
}
const image = parseManifest(imageOf('image').manifest.bytes, undefined)
const index = parseManifest(indexOf([imageOf('child').manifest]).bytes, undefined)
const tagged = parseDockerReference('example.org/test:1')
if (tagged?.tag === undefined) throw new Error('no reference')
const { repository, tag } = tagged
const byTag: ImageReference = { by: 'tag', repository, tag }
const byDigest: ImageReference = { by: 'digest', repository, digest: image.digest }

const inputOf = (reference: ImageReference, manifest: JudgeInput['manifest']): JudgeInput => ({
  reference,
  manifest,
  snapshot,
  client: '127.0.0.1',
})
const accepted = (input: JudgeInput): Decision =>
  acceptedVia(
    { via: { by: 'policy' }, signers: ['cosign.pub'], goodUntil: undefined },
    input.reference,
    input.manifest,
    snapshot,
  )
const refused = (input: JudgeInput): Decision => ({
  outcome: 'refused',
  reason: 'needs a signature',
  evaluation: accepted(input).evaluation,
})

type Memory = SharedMemory & { current: number | undefined; readonly told: ToldFact[]; looks: number }

function memory(change: Partial<SharedMemory> = {}): Memory {
  const shared: Memory = {
    current: 1,
    told: [],
    looks: 0,
    epoch: () => shared.current,
    timeoutMs: 30,
    find: async () => {
      shared.looks += 1
      return []
    },
    tell: async facts => {
      shared.told.push(...facts)
      return true
    },
    ...change,
  }
  return shared
}

function judgeWith(shared: SharedMemory, decide: (input: JudgeInput) => Decision): Judge {
  const judge: Judge = {
    peek: decide,
    judge: async input => ({ decision: decide(input), cached: false }),
    announce: () => undefined,
  }
  return createSharedJudge({
    judge,
    verdicts: new VerdictCache({ maxEntries: 10, acceptedMs: 1000, refusedMs: 1000 }),
    admitted: new AdmittedDigests({ maxEntries: 10, ttlMs: 1000 }),
    shared,
    indexDepth: 2,
    acceptedMs: 1000,
    maxTold: 1000,
    admittedMs: 1000,
  })
}

t.test('what the hot path may answer by itself', async t => {
  const table = [
    { name: 'an accepted image', input: inputOf(byTag, image), decide: accepted, itself: true },
    { name: 'a refused tag', input: inputOf(byTag, image), decide: refused, itself: true },
    {
      name: 'a refused digest: its index may be accepted elsewhere',
      input: inputOf(byDigest, image),
      decide: refused,
      itself: false,
    },
    {
      name: 'an accepted index that nobody was told of',
      input: inputOf(byTag, index),
      decide: accepted,
      itself: false,
    },
  ]
  for (const { name, input, decide, itself } of table) {
    t.equal(judgeWith(memory(), decide).peek(input) !== undefined, itself, name)
    const without = memory()
    without.current = undefined
    t.ok(judgeWith(without, decide).peek(input), `${name}: without the shared memory, everything`)
  }
})

t.test('an index is told once, and again after another connection', async t => {
  const shared = memory()
  const judge = judgeWith(shared, accepted)
  const input = inputOf(byTag, index)
  await judge.judge(input)
  t.match(shared.told, [{ key: { kind: 'verdict' } }, { key: { kind: 'child', depth: 1 } }])
  t.ok(judge.peek(input), 'then the hot path has it')
  await judge.judge(input)
  t.equal(shared.told.length, 2)
  shared.current = 2
  t.equal(judge.peek(input), undefined)
  await judge.judge(input)
  t.equal(shared.told.length, 4)
})

t.test('an index that could not be told is not tried at every pull', async t => {
  let tries = 0
  const shared = memory({
    tell: async () => {
      tries += 1
      return false
    },
  })
  const judge = judgeWith(shared, accepted)
  const input = inputOf(byTag, index)
  for (let at = 0; at < 5; at += 1) await judge.judge(input)
  t.equal(tries, 2, 'the verdict and the children')
  t.ok(judge.peek(input))
})

t.test('case 181: many who ask at once make one look', async t => {
  const shared = memory()
  const judge = judgeWith(shared, refused)
  await Promise.all(
    Array.from({ length: 100 }, (_, at) => judge.judge({ ...inputOf(byTag, image), client: `10.0.0.${at}` })),
  )
  t.equal(shared.looks, 1)
})

t.test('a memory that never answers keeps nobody longer than its time-out', async t => {
  const never = new Promise<never>(() => undefined)
  const judge = judgeWith(memory({ tell: () => never }), accepted)
  const begun = performance.now()
  await judge.judge(inputOf(byTag, index))
  const { evaluation } = accepted(inputOf(byTag, image))
  await judge.announce(
    { outcome: 'accepted', via: { by: 'policy' }, signers: [], goodUntil: undefined, evaluation },
    byTag,
    '127.0.0.1',
  )
  t.ok(performance.now() - begun < 2000)
})

t.test('nothing is told of a refusal, nor of what rests on no signature', async t => {
  const shared = memory()
  await judgeWith(shared, refused).judge(inputOf(byTag, image))
  const anything = (input: JudgeInput): Decision =>
    acceptedVia({ via: { by: 'policy' }, signers: [], goodUntil: undefined }, input.reference, input.manifest, snapshot)
  await judgeWith(shared, anything).judge(inputOf(byTag, image))
  t.same(shared.told, [])
})
