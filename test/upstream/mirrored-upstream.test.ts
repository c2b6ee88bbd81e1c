import t from 'tap'
import { mirroredUpstream, type Mirror } from '../../src/upstream/mirrored-upstream.ts'
import type { Upstream } from '../../src/upstream/upstream.ts'
import { startEvilRegistry, type EvilRegistry, type Script } from '../support/evil-registry.ts'
import { answer, hangUp } from '../support/faults.ts'
import { blobOf, imageOf } from '../support/signer.ts'
import { repositoryAt, tagOf, upstreamOf, within } from '../support/upstream.ts'

type Test = Parameters<typeof startEvilRegistry>[0]

type Places = {
  readonly upstream: Upstream
  readonly first: EvilRegistry
  readonly second: EvilRegistry
  readonly origin: EvilRegistry
  /** Which of them were asked since the last time, in order. */
  readonly asked: () => string
  readonly pass: (ms: number) => void
}

async function places(t: Test, pull: Mirror['pull'] = 'all'): Promise<Places> {
  const [first, second, origin] = [await startEvilRegistry(t), await startEvilRegistry(t), await startEvilRegistry(t)]
  const order: string[] = []
  for (const [name, registry] of Object.entries({ first, second, origin })) {
    registry.guard = () => (order.push(name), false)
  }
  let clock = 0
  const upstream = mirroredUpstream({
    mirrors: [
      { upstream: upstreamOf(t, first), pull },
      { upstream: upstreamOf(t, second), pull: 'all' },
    ],
    origin: upstreamOf(t, origin),
    now: () => clock,
  })
  return { upstream, first, second, origin, asked: () => order.splice(0).join(' '), pass: ms => void (clock += ms) }
}

const repository = repositoryAt()
const image = imageOf('x')

t.test('the first that has it gives it', async t => {
  const table: readonly {
    it: string
    at: ('first' | 'second' | 'origin')[]
    is: string | undefined
    asked: string
  }[] = [
    { it: 'the first mirror', at: ['first', 'second', 'origin'], is: 'first', asked: 'first' },
    { it: 'the second', at: ['second', 'origin'], is: 'second', asked: 'first second' },
    { it: 'the registry', at: ['origin'], is: 'origin', asked: 'first second origin' },
    { it: 'nobody', at: [], is: undefined, asked: 'first second origin' },
  ]
  for (const { it, at, is, asked: order } of table) {
    const { upstream, asked, ...registries } = await places(t)
    for (const name of at) registries[name].put('team/app', imageOf(name), '1')
    const found = await upstream.manifest(repository, tagOf('1'), within())
    t.equal(found && Buffer.from(found.bytes).toString(), is && imageOf(is).manifest.bytes.toString(), it)
    t.equal(asked(), order, `${it}: no more are asked than needed`)
  }
})

t.test('a mirror that cannot give it leaves it to the next', async t => {
  const lie = imageOf('lie').manifest
  const table: readonly { it: string; script: Script }[] = [
    { it: '500', script: answer(500) },
    { it: '401', script: answer(401) },
    { it: '403', script: answer(403) },
    { it: '429', script: answer(429, { 'retry-after': 60 }) },
    { it: 'no connection', script: hangUp },
    { it: 'other bytes than the digest', script: answer(200, { 'content-type': lie.mediaType }, lie.bytes) },
    { it: 'too many bytes', script: answer(200, { 'content-type': lie.mediaType }, Buffer.alloc(5000)) },
  ]
  for (const { it, script } of table) {
    const { upstream, first, origin } = await places(t)
    first.script = script
    origin.put('team/app', image, '1')
    const found = await upstream.manifest(repository, image.manifest.digest, within())
    t.ok(found && image.manifest.bytes.equals(found.bytes), it)
  }
})

t.test('there is none only if every place said so', async t => {
  const { upstream, first, origin, pass } = await places(t)
  const ask = () => upstream.manifest(repository, tagOf('sha256-0.sig'), within())
  t.equal(await ask(), undefined)
  for (const [status, code] of [
    [401, 'SERVER_ERROR'],
    [403, 'SERVER_ERROR'],
    [500, 'SERVER_ERROR'],
  ] as const) {
    first.script = answer(status)
    await t.rejects(ask(), { code, message: /not found elsewhere, and mirror 1 cannot tell/ }, `mirror: ${status}`)
    pass(10_001)
  }
  first.script = () => false
  origin.script = answer(401)
  await t.rejects(ask(), { code: 'SERVER_ERROR', message: /and the registry cannot tell/ }, 'the registry: 401')
})

t.test('where every place failed, it is the registry’s failure', async t => {
  const { upstream, first, second, origin } = await places(t)
  first.script = answer(500)
  second.script = hangUp
  origin.script = answer(429, { 'retry-after': 7 })
  const all = upstream.manifest(repository, tagOf('1'), within())
  await t.rejects(all, { code: 'RATE_LIMITED', retryAfterSeconds: 7 })
})

t.test('a mirror that is down rests, and is no "not there" meanwhile', async t => {
  const { upstream, first, origin, asked, pass } = await places(t)
  origin.put('team/app', image, '1')
  first.script = hangUp
  const ask = (name: string) => upstream.manifest(repository, tagOf(name), within())
  t.ok(await ask('1'))
  asked()
  t.ok(await ask('1'))
  t.equal(asked(), 'second origin')
  await t.rejects(ask('none'), { code: 'SERVER_ERROR' }, 'who knows')
  first.script = () => false
  pass(10_001)
  asked()
  t.equal(await ask('none'), undefined)
  t.equal(asked(), 'first second origin', 'asked again')
  first.script = answer(403)
  t.ok(await ask('1'))
  t.ok(await ask('1'))
  t.equal(asked().match(/second/g)?.length, 2)
  t.equal(first.count('manifests/1'), 3, 'what it refuses is about the image, not about the mirror: asked again')
})

t.test('digest-only: no word on what a tag points to', async t => {
  const { upstream, first, origin, asked } = await places(t, 'digest-only')
  first.put('team/app', imageOf('old'), '1')
  first.put('team/app', image)
  origin.put('team/app', image, '1')
  const found = await upstream.manifest(repository, tagOf('1'), within())
  t.ok(found && image.manifest.bytes.equals(found.bytes))
  t.equal(asked(), 'second origin')
  await upstream.manifest(repository, image.manifest.digest, within())
  t.equal(asked(), 'first')
  t.same(await upstream.tags(repository, { n: 10, last: undefined }, within()), { tags: ['1'], next: undefined })
})

t.test('blobs, referrers and tags go the same way', async t => {
  const { upstream, second, origin, asked } = await places(t)
  const blob = blobOf('content')
  second.blobs.set(`team/app ${blob.digest}`, blob)
  const opened = await upstream.openBlob(repository, blob.digest, { method: 'GET', range: undefined, signal: within() })
  opened?.body?.destroy()
  t.equal(opened?.status, 200)
  t.equal(asked(), 'first second')
  origin.put('team/app', image, '1')
  origin.hasReferrersApi = true
  t.same(await upstream.referrers(repository, image.manifest.digest, within()), [])
  t.ok(asked().endsWith('origin'), 'an empty list is no reason to stop')
})
