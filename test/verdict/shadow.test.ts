import t from 'tap'
import { parseManifest } from '../../src/manifest/manifest.ts'
import { parseImageReference } from '../../src/reference/image-reference.ts'
import type { Snapshot } from '../../src/trust/snapshot.ts'
import type { Decision, Evaluation } from '../../src/verdict/decision.ts'
import { UndecidedError } from '../../src/verdict/decision.ts'
import type { JudgeInput } from '../../src/verdict/judge.ts'
import { Shadow, type ShadowedPull } from '../../src/verdict/shadow.ts'
import { imageOf } from '../support/signer.ts'

const image = imageOf('image').manifest
const manifest = parseManifest(image.bytes, image.mediaType, 'sha256')
const snapshot: Snapshot = {
  id: 'shadow',
  policy: { default: [{ type: 'reject' }], transports: new Map(), warnings: [] },
  trust: new Map(),
  materials: [],
  loadedAt: new Date(),
}

function evaluation(snapshotId: string): Evaluation {
  const reference = 'example.org/a:1'
  return { reference, digest: manifest.digest, scope: 'a', snapshotId, requirements: [], leftOut: [], children: [] }
}

const ACCEPTED: Decision = {
  outcome: 'accepted',
  via: { by: 'policy' },
  signers: [],
  evaluation: evaluation('force'),
  goodUntil: undefined,
}
const REFUSED: Decision = { outcome: 'refused', reason: 'no', evaluation: evaluation('shadow') }

function pullOf(name: string): ShadowedPull {
  const reference = parseImageReference(name)
  if (reference === undefined) throw new Error(name)
  return { reference, manifest, decision: ACCEPTED }
}

type Overrides = {
  readonly judge?: (input: JudgeInput) => Promise<Decision>
  readonly maxUnderWay?: number
  readonly snapshot?: () => Promise<Snapshot>
}

function shadowOf(overrides: Overrides = {}) {
  const judged: JudgeInput[] = []
  const shadow = new Shadow({
    judge: {
      peek: () => undefined,
      judge: async input => {
        judged.push(input)
        return { decision: (await overrides.judge?.(input)) ?? REFUSED, cached: false }
      },
      announce: () => {},
    },
    snapshots: { fresh: () => undefined, current: overrides.snapshot ?? (async () => snapshot) },
    manifestOf: async () => undefined,
    lanes: { running: 2, waiting: 3, waitMs: 10_000 },
    maxUnderWay: overrides.maxUnderWay ?? 100,
    remember: { maxEntries: 10, ttlMs: 10_000 },
  })
  return { shadow, judged }
}

t.test('the very manifest is judged, once for a reference and digest however many ask at once', async t => {
  const { shadow, judged } = shadowOf()
  const results = await Promise.all([1, 2, 3].map(() => shadow.compare(pullOf('example.org/a:1'))))
  t.same(
    results.map(result => result.outcome === 'compared' && result.isFirst),
    [true, false, false],
  )
  t.match(results[2], { comparison: { verdict: 'refused', differs: true } })
  await shadow.compare(pullOf('example.org/a:2'))
  t.equal(judged.length, 2, 'another tag is another question')
  t.ok(judged.every(input => input.manifest === manifest && input.snapshot === snapshot))
})

t.test('nothing is judged in the turn of the caller', async t => {
  const { shadow, judged } = shadowOf()
  const comparing = shadow.compare(pullOf('example.org/a:1'))
  for (let n = 0; n < 100; n += 1) await Promise.resolve()
  t.equal(judged.length, 0)
  await comparing
  t.equal(judged.length, 1)
})

t.test('what could not be found out is asked again', async t => {
  const { shadow, judged } = shadowOf({
    judge: () => Promise.reject(new UndecidedError('down', evaluation('shadow'), {})),
  })
  for (let n = 0; n < 2; n += 1) {
    t.match(await shadow.compare(pullOf('example.org/a:1')), { isFirst: true, comparison: { verdict: 'undecided' } })
  }
  t.equal(judged.length, 2)
})

t.test('too many, none to be had, a failure: skipped, each by its name, and never thrown', async t => {
  const gates = Array.from({ length: 9 }, () => Promise.withResolvers<Decision>())
  let next = 0
  const busy = shadowOf({ judge: () => gates[next++]?.promise ?? Promise.resolve(REFUSED) })
  const comparing = [...gates.keys()].map(n => busy.shadow.compare(pullOf(`example.org/a${n}:1`)))
  await new Promise(resolve => setTimeout(resolve, 20))
  for (const gate of gates) gate.resolve(REFUSED)
  const outcomes = (await Promise.all(comparing)).map(result =>
    result.outcome === 'skipped' ? result.why : 'compared',
  )
  t.equal(outcomes.filter(why => why === 'compared').length, 5, 'two run, three wait')
  t.equal(outcomes.filter(why => why === 'busy').length, 4)

  const crowd = shadowOf({ maxUnderWay: 1 })
  const [, second] = await Promise.all([1, 2].map(() => crowd.shadow.compare(pullOf('example.org/a:1'))))
  t.same(second, { outcome: 'skipped', why: 'busy' }, 'the ones that would wait for another are bounded as well')

  const none = shadowOf({ snapshot: () => Promise.reject(new Error('none')) })
  t.same(await none.shadow.compare(pullOf('example.org/a:1')), { outcome: 'skipped', why: 'unavailable' })
  const failing = shadowOf({ judge: () => Promise.reject(new Error('broken')) })
  t.match(await failing.shadow.compare(pullOf('example.org/a:1')), { outcome: 'skipped', why: 'failed' })
})
