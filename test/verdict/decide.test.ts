import t from 'tap'
import { parseManifest } from '../../src/manifest/manifest.ts'
import type { Requirements } from '../../src/policy/policy.ts'
import { NOTHING_FOUND } from '../../src/signatures/found-signatures.ts'
import { decide, type DecideInput } from '../../src/verdict/decide.ts'
import type { Decision } from '../../src/verdict/decision.ts'
import { imageOf } from '../support/signer.ts'
import { repositoryAt, tagOf } from '../support/upstream.ts'

const ANYTHING = { type: 'insecureAcceptAnything' } as const
const BASE_LAYER = { type: 'signedBaseLayer' } as const

function decideBy(requirements: Requirements, found = NOTHING_FOUND): Promise<Decision> {
  const image = imageOf('app').manifest
  const input: DecideInput = {
    reference: { by: 'tag', repository: repositoryAt(), tag: tagOf('1') },
    manifest: parseManifest(image.bytes, image.mediaType),
    snapshot: {
      id: 'of the test',
      policy: { default: requirements, transports: new Map(), warnings: [] },
      trust: new Map(),
      materials: [],
      loadedAt: new Date(),
    },
    reading: 'asClaimed',
    find: async () => found,
    now: new Date(),
    verifying: work => work(),
  }
  return decide(input)
}

t.test('case 88: a list of no requirements accepts nothing, should it ever get past the parser', async t => {
  // The types have no such list either.
  await t.rejects(decideBy([] as unknown as Requirements), /without requirements/)
  t.match(await decideBy([ANYTHING]), { outcome: 'accepted' })
})

t.test('case 89: signedBaseLayer refuses everything, whatever stands beside it', async t => {
  for (const requirements of [[BASE_LAYER], [ANYTHING, BASE_LAYER], [BASE_LAYER, ANYTHING]] as const) {
    t.match(await decideBy(requirements), { outcome: 'refused', reason: /signedBaseLayer, which no image can meet/ })
  }
})
