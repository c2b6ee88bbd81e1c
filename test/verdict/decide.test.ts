import t from 'tap'
import { parseManifest } from '../../src/manifest/manifest.ts'
import type { Requirement, Requirements } from '../../src/policy/policy.ts'
import { NOTHING_FOUND, type FoundSignatures } from '../../src/signatures/found-signatures.ts'
import { parsePublicKeyPem } from '../../src/signatures/public-key.ts'
import type { UntrustedSignature } from '../../src/signatures/signature.ts'
import type { TrustMaterial } from '../../src/signatures/trust-material.ts'
import { NOT_BEFORE } from '../../src/verdict/clock.ts'
import { decide, type DecideInput } from '../../src/verdict/decide.ts'
import type { Decision } from '../../src/verdict/decision.ts'
import { ecdsaSigner, imageOf, payloadOf, signatureLayer } from '../support/signer.ts'
import { repositoryAt, tagOf } from '../support/upstream.ts'

const ANYTHING = { type: 'insecureAcceptAnything' } as const
const BASE_LAYER = { type: 'signedBaseLayer' } as const

const image = imageOf('app').manifest

type Circumstances = {
  readonly now?: Date
  readonly trust?: ReadonlyMap<Requirement, TrustMaterial>
  readonly found?: FoundSignatures
}

function decideBy(
  requirements: Requirements,
  { now = new Date(), trust = new Map(), found = NOTHING_FOUND }: Circumstances = {},
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
    now,
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
    decideBy([requirement], {
      found: { ...NOTHING_FOUND, signatures },
      trust: new Map([[requirement, { by: 'keys', keys: [key], rekorKeys: undefined }]]),
    })
  t.match(await of(good), { outcome: 'accepted' })
  t.match(await of(bad), { outcome: 'refused', reason: /could not be checked: injected/ })
  t.match(await of(bad, good), { outcome: 'accepted' })
  t.match(await of(good, bad), { outcome: 'accepted' })
})

t.test('case 202: what takes a clock is not decided by one that is wrong', async t => {
  const nobody = { subjectEmail: 'a@example.org', oidcIssuer: 'https://issuer.example' }
  const trustedRoot = { logs: [], ctLogs: [], certificateAuthorities: [], timestampAuthorities: [] }
  const identity = {
    issuer: { kind: 'exact', text: 'https://issuer.example' },
    subject: { type: 'email', matcher: { kind: 'exact', text: 'a@example.org' } },
  } as const
  const rows: readonly { readonly it: string; readonly trust: TrustMaterial; readonly takesClock: boolean }[] = [
    { it: 'keys alone', trust: { by: 'keys', keys: [], rekorKeys: undefined }, takesClock: false },
    { it: 'keys and a log', trust: { by: 'keys', keys: [], rekorKeys: [] }, takesClock: true },
    { it: 'fulcio', trust: { by: 'fulcio', trust: { roots: [], ...nobody }, rekorKeys: [] }, takesClock: true },
    {
      it: 'pki',
      trust: { by: 'pki', trust: { roots: [], intermediates: [], ...nobody, subjectHostname: undefined } },
      takesClock: true,
    },
    { it: 'identity', trust: { by: 'identity', trustedRoot, identities: [identity] }, takesClock: true },
    { it: 'gpg', trust: { by: 'gpg', keyring: { name: 'k', keys: [], fingerprints: [] } }, takesClock: true },
  ]
  const signed: Requirement = {
    type: 'sigstoreSigned',
    signer: { by: 'keys', keys: { from: 'places', field: 'keyPath', places: ['k'] }, rekorKeys: undefined },
    signedIdentity: undefined,
  }
  const tooEarly = new Date(NOT_BEFORE.getTime() - 1)
  for (const { it, trust, takesClock } of rows) {
    const at = (now: Date): Promise<Decision> => decideBy([signed], { now, trust: new Map([[signed, trust]]) })
    t.match(await at(NOT_BEFORE), { outcome: 'refused', reason: /found none/ }, `${it}: by a clock that may be right`)
    for (const now of [new Date(0), tooEarly]) {
      const message = `this machine's clock is wrong: it says ${now.toISOString()}`
      if (takesClock) await t.rejects(at(now), { name: 'UndecidedError', message }, it)
      else t.match(await at(now), { outcome: 'refused', reason: /found none/ }, it)
    }
  }
  t.match(await decideBy([ANYTHING], { now: new Date(0) }), { outcome: 'accepted' }, 'nothing is asked for')
  t.ok(NOT_BEFORE.getTime() < Date.now(), 'and the clock of this machine is right')
})
