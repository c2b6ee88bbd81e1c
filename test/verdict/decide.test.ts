import t from 'tap'
import { parseManifest } from '../../src/manifest/manifest.ts'
import type { Requirement, Requirements } from '../../src/policy/policy.ts'
import { NOTHING_FOUND, type FoundSignatures } from '../../src/signatures/found-signatures.ts'
import { parsePublicKeyPem } from '../../src/signatures/public-key.ts'
import type { UntrustedSignature } from '../../src/signatures/signature.ts'
import type { Snapshot } from '../../src/trust/snapshot.ts'
import { decide, type DecideInput } from '../../src/verdict/decide.ts'
import type { Decision } from '../../src/verdict/decision.ts'
import { ecdsaSigner, imageOf, payloadOf, signatureLayer } from '../support/signer.ts'
import { repositoryAt, tagOf } from '../support/upstream.ts'

const ANYTHING = { type: 'insecureAcceptAnything' } as const
const BASE_LAYER = { type: 'signedBaseLayer' } as const

const image = imageOf('app').manifest

function decideBy(
  requirements: Requirements,
  found: FoundSignatures = NOTHING_FOUND,
  trust: Snapshot['trust'] = new Map(),
): Promise<Decision> {
  const input: DecideInput = {
    reference: { by: 'tag', repository: repositoryAt(), tag: tagOf('1') },
    manifest: parseManifest(image.bytes, image.mediaType),
    snapshot: {
      id: 'of the test',
      policy: { default: requirements, transports: new Map(), warnings: [] },
      trust,
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

/** What any defect in a check would do. */
class Throwing extends Map<string, string> {
  override get(): never {
    throw new Error('injected')
  }
}

t.test('case 31: a signature whose check throws neither counts nor hides a good one', async t => {
  const signer = ecdsaSigner()
  const key = parsePublicKeyPem(Buffer.from(signer.publicPem), 'cosign.pub')
  const requirement: Requirement = {
    type: 'sigstoreSigned',
    signer: {
      by: 'keys',
      keys: { from: 'data', field: 'keyData', data: [Buffer.from(signer.publicPem)] },
      rekorKeys: undefined,
    },
    signedIdentity: undefined,
  }
  const { payload, annotations } = signatureLayer(signer, payloadOf(image.digest, 'example.org/team/app'))
  const signature = (untrustedAnnotations: ReadonlyMap<string, string>): UntrustedSignature => ({
    format: 'simple-signing',
    origin: { place: 'sig-tag', name: 'a layer' },
    untrustedPayload: payload.bytes,
    untrustedAnnotations,
  })
  const good = signature(new Map(Object.entries(annotations)))
  const bad = signature(new Throwing(Object.entries(annotations)))
  const of = (...signatures: readonly UntrustedSignature[]): Promise<Decision> =>
    decideBy(
      [requirement],
      { ...NOTHING_FOUND, signatures },
      new Map([[requirement, { by: 'keys', keys: [key], rekorKeys: undefined }]]),
    )
  t.match(await of(good), { outcome: 'accepted' })
  t.match(await of(bad), { outcome: 'refused', reason: /could not be checked: injected/ })
  t.match(await of(bad, good), { outcome: 'accepted' })
  t.match(await of(good, bad), { outcome: 'accepted' })
})
