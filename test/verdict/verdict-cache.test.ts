import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { ImageReference } from '../../src/reference/image-reference.ts'
import { acceptedVia } from '../../src/verdict/judge.ts'
import { VerdictCache } from '../../src/verdict/verdict-cache.ts'
import { parseManifest } from '../../src/manifest/manifest.ts'
import { imageOf } from '../support/signer.ts'
import { repositoryAt, tagOf } from '../support/upstream.ts'

const reference: ImageReference = { by: 'tag', repository: repositoryAt(), tag: tagOf('1') }
const image = imageOf('app').manifest
const manifest = parseManifest(image.bytes, image.mediaType)

t.test('case 202: how long a verdict is remembered is not the wall clock’s to say', async t => {
  const snapshot = {
    id: 's',
    policy: { default: [{ type: 'reject' }], transports: new Map(), warnings: [] },
    trust: new Map(),
    materials: [],
    loadedAt: new Date(),
  } as const
  const grounds = { via: { by: 'policy' }, signers: [], goodUntil: undefined } as const
  const accepted = acceptedVia(grounds, reference, manifest, snapshot)
  const HOUR = 3_600_000
  const real = Date.now
  for (const jump of [-HOUR, 87_600 * HOUR]) {
    const verdicts = new VerdictCache({ maxEntries: 10, acceptedMs: 300, refusedMs: 0 })
    await verdicts.get('s', reference, manifest.digest, async () => accepted)
    const began = performance.now()
    const clock = t.intercept(Date, 'now', { value: () => real() + jump })
    const isThere = verdicts.peek('s', reference, manifest.digest) !== undefined
    if (performance.now() - began < 250) t.ok(isThere, `a jump of ${jump} ms ends nothing`)
    while (performance.now() - began < 350) await sleep(50)
    t.equal(verdicts.peek('s', reference, manifest.digest), undefined, 'and makes nothing last')
    clock.restore()
  }
})
