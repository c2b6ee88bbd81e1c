import t from 'tap'
import { bundleReferrer, keyBundle } from '../support/attached-bundle.ts'
import { answer } from '../support/faults.ts'
import { MEDIA_TYPE_3 } from '../support/local-sigstore.ts'
import {
  blobOf,
  ecdsaSigner,
  imageOf,
  indexOf,
  OCI_INDEX,
  OCI_MANIFEST,
  payloadOf,
  sigManifest,
  signatureLayer,
  sigTag,
  type AttachedLayer,
  type Blob,
  type Signer,
} from '../support/signer.ts'
import { HOST, scene, type Scene } from './scene.ts'

/** What is attached to an image, and what a registry may make of it: hidden, broken, copied, in two forms at once. */

const signedBy = (keyPath: string, more: object = {}): object => ({
  default: [{ type: 'reject' }],
  transports: { docker: { [HOST]: [{ type: 'sigstoreSigned', keyPath, ...more }] } },
})

function attachBundle({ registry }: Scene, repository: string, image: Blob, signer: Signer): Blob {
  return registry.put(repository, bundleReferrer(image, keyBundle(signer, image.digest)))
}

t.test(
  'case 55: a payload that cannot be used hides nothing, and one that cannot be had leaves the matter open',
  async t => {
    const { registry, signer, pull } = await scene(t)
    const other = blobOf('other bytes')
    const table: readonly { it: string; spoil: (payload: Blob) => void; alone: number }[] = [
      { it: 'missing', spoil: ({ digest }) => registry.blobs.delete(`test ${digest}`), alone: 403 },
      { it: 'other bytes', spoil: ({ digest }) => registry.blobs.set(`test ${digest}`, other), alone: 403 },
      { it: 'not to be had now', spoil: ({ digest }) => registry.on(new RegExp(digest), answer(500)), alone: 503 },
    ]
    const orders = [
      { order: 'alone', of: (bad: AttachedLayer) => [bad] },
      { order: 'before a good one', of: (bad: AttachedLayer, good: AttachedLayer) => [bad, good] },
      { order: 'after a good one', of: (bad: AttachedLayer, good: AttachedLayer) => [good, bad] },
    ]
    for (const { it, spoil, alone } of table) {
      for (const { order, of } of orders) {
        const image = registry.put('test', imageOf(`${it} ${order}`), '1')
        const payload = payloadOf(image.digest, `${HOST}/test`)
        const bad = signatureLayer(signer, Buffer.from(`${payload.toString()}\n`))
        registry.put('test', sigManifest(of(bad, signatureLayer(signer, payload))), sigTag(image.digest))
        t.equal((await pull('test/manifests/1')).status, 200, `${it}, ${order}: as it was signed`)
      }
      for (const { order, of } of orders) {
        const image = registry.put('test', imageOf(`spoilt: ${it} ${order}`), '1')
        const payload = payloadOf(image.digest, `${HOST}/test`)
        const bad = signatureLayer(signer, Buffer.from(`${payload.toString()}\n`))
        registry.put('test', sigManifest(of(bad, signatureLayer(signer, payload))), sigTag(image.digest))
        spoil(bad.payload)
        t.equal((await pull('test/manifests/1')).status, order === 'alone' ? alone : 200, `${it}, ${order}`)
      }
    }
  },
)

t.test('case 57: the config of a `.sig` manifest is never fetched, and a manifest has a size', async t => {
  const { registry, signer, pull } = await scene(t)
  const image = registry.put('test', imageOf('a'), '1')
  const made = sigManifest([signatureLayer(signer, payloadOf(image.digest, `${HOST}/test`))])
  const document = JSON.parse(made.manifest.bytes.toString())
  document.config.size = 10_000_000_000
  registry.put('test', { ...made, manifest: blobOf(JSON.stringify(document), OCI_MANIFEST) }, sigTag(image.digest))
  const huge = registry.put('test', imageOf('b'), '2')
  const filled = sigManifest([signatureLayer(signer, payloadOf(huge.digest, `${HOST}/test`))])
  const padded = `${filled.manifest.bytes.toString()}${' '.repeat(4 * 1024 * 1024)}`
  registry.put('test', { ...filled, manifest: blobOf(padded, OCI_MANIFEST) }, sigTag(huge.digest))
  t.equal((await pull('test/manifests/1')).status, 200)
  t.equal(registry.count(document.config.digest), 0)
  const refused = await pull('test/manifests/2')
  t.equal(refused.status, 403)
  t.match(refused.message, /found one: .*more than/)
})

t.test(
  'case 59: a bundle names no repository, so a copy of it is as good as the first, or no identity is met',
  async t => {
    const identities = [
      { type: 'matchExact' },
      { type: 'matchRepoDigestOrExact' },
      { type: 'matchRepository' },
      { type: 'exactReference', dockerReference: `${HOST}/test:1` },
      { type: 'exactRepository', dockerRepository: `${HOST}/test` },
      { type: 'remapIdentity', prefix: `${HOST}/copy`, signedPrefix: `${HOST}/test` },
    ]
    const rows: readonly { it: string; identity?: object; reading: string; status: number }[] = [
      { it: 'none', reading: 'asClaimed', status: 200 },
      { it: 'none', reading: 'matchRepoDigestOrExact', status: 403 },
      { it: 'none', reading: 'none', status: 200 },
      ...identities.map(identity => ({ it: identity.type, identity, reading: 'none', status: 403 })),
    ]
    for (const { it, identity, reading, status } of rows) {
      const gate = await scene(t, {
        policy: keyPath => signedBy(keyPath, { signedIdentity: identity }),
        config: { signedIdentityDefault: reading },
      })
      gate.registry.hasReferrersApi = true
      for (const repository of ['test', 'copy']) {
        const image = gate.registry.put(repository, imageOf('signed once'), '1')
        attachBundle(gate, repository, image, gate.signer)
        const { status: got, message } = await gate.pull(`${repository}/manifests/1`)
        t.equal(got, status, `${it}, read ${reading}: ${repository}`)
        if (status === 403) t.match(message, /a sigstore bundle claims no name/)
      }
    }
  },
)

t.test('case 60: a tag that is moved back to what was signed under another one', async t => {
  const rows = [
    { identity: { type: 'matchExact' }, byDigest: 403 },
    { identity: { type: 'matchRepoDigestOrExact' }, byDigest: 200 },
    { identity: undefined, byDigest: 200 },
  ]
  for (const { identity, byDigest } of rows) {
    const gate = await scene(t, { policy: keyPath => signedBy(keyPath, { signedIdentity: identity }) })
    const { registry, signer, pull } = gate
    const [first, second] = ['1', '2'].map(tag => {
      const image = registry.put('test', imageOf(tag), tag)
      registry.sign('test', image, signer, `${HOST}/test:${tag}`)
      return image
    })
    if (first === undefined || second === undefined) throw new Error('no images')
    const it = identity?.type ?? 'as claimed'
    t.equal((await pull('test/manifests/2')).status, 200, `${it}: as it was signed`)
    registry.manifests.set('test 2', first)
    t.equal((await pull('test/manifests/2')).status, 403, `${it}: rolled back`)
    t.equal((await pull('test/manifests/1')).status, 200, `${it}: by its own tag`)
    t.equal((await pull(`test/manifests/${second.digest}`)).status, byDigest, `${it}: by digest`)
  }
})

t.test('case 61: what a registry hides is not signed; what it fails at is not known, and not remembered', async t => {
  const gate = await scene(t, { config: { cache: { tags: 0, refused: 30 } } })
  const { registry, signer, pull } = gate
  const places: readonly {
    it: string
    at: RegExp
    api: boolean
    attach: (repository: string, image: Blob) => unknown
  }[] = [
    {
      it: 'the `.sig` tag',
      at: /\.sig$/,
      api: false,
      attach: (repository, image) => registry.sign(repository, image, signer, `${HOST}/${repository}`),
    },
    {
      it: 'the referrers API',
      at: /\/referrers\//,
      api: true,
      attach: (repository, image) => attachBundle(gate, repository, image, signer),
    },
    {
      it: 'the fallback tag',
      at: /\/manifests\/sha256-[0-9a-f]{64}$/,
      api: false,
      attach: (repository, image) => {
        const manifest = attachBundle(gate, repository, image, signer)
        registry.put(repository, { manifest: indexOf([manifest]), blobs: [] }, image.digest.replace(':', '-'))
      },
    },
  ]
  for (const [index, { it, at, api, attach }] of places.entries()) {
    const repository = `place-${index}`
    const put = (tag: string): string => {
      attach(repository, registry.put(repository, imageOf(`${it} ${tag}`), tag))
      return `${repository}/manifests/${tag}`
    }
    let lie: number | undefined
    registry.hasReferrersApi = api
    registry.on(at, (request, response) => lie !== undefined && answer(lie)(request, response))
    for (const status of [500, 502, 503]) {
      const name = put(`failed-${status}`)
      lie = status
      const failed = await pull(name)
      t.equal(failed.status, 503, `${it} answers ${status}`)
      t.equal(failed.code, 'UNAVAILABLE')
      lie = undefined
      t.equal((await pull(name)).status, 200, `${it}: at once when it is well again`)
    }
    const name = put('hidden')
    lie = 404
    const refused = await pull(name)
    t.equal(refused.status, 403, `${it} answers 404`)
    t.match(refused.message, /found none/)
    lie = undefined
    t.equal((await pull(put('seen'))).status, 200, `${it}: and it is the hiding that refuses`)
  }
})

t.test('case 62: a list of referrers that says what is not so', async t => {
  const SBOM = 'application/spdx+json'
  const rows: readonly {
    it: string
    about: 'it' | 'another'
    says: string
    bytes: 'its own' | 'others'
    status: number
  }[] = [
    { it: 'so', about: 'it', says: MEDIA_TYPE_3, bytes: 'its own', status: 200 },
    { it: 'a signature that is called an SBOM', about: 'it', says: SBOM, bytes: 'its own', status: 200 },
    { it: 'what refers to another image', about: 'another', says: MEDIA_TYPE_3, bytes: 'its own', status: 403 },
    { it: 'a manifest that is another one', about: 'it', says: MEDIA_TYPE_3, bytes: 'others', status: 403 },
  ]
  for (const { it, about, says, bytes, status } of rows) {
    const { registry, signer, pull } = await scene(t)
    const image = registry.put('test', imageOf(it), '1')
    const subject = about === 'it' ? image : imageOf('another').manifest
    const { manifest, blobs } = bundleReferrer(subject, keyBundle(signer, image.digest))
    const listed = { mediaType: OCI_MANIFEST, digest: manifest.digest, size: manifest.size, artifactType: says }
    const list = JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [listed] })
    registry.put('test', { manifest, blobs })
    registry.on(/\/referrers\//, answer(200, { 'content-type': OCI_INDEX }, list))
    if (bytes === 'others') {
      const other = Buffer.from(`${manifest.bytes.toString()}\n`)
      registry.on(new RegExp(`/manifests/${manifest.digest}`), answer(200, { 'content-type': OCI_MANIFEST }, other))
    }
    t.equal((await pull('test/manifests/1')).status, status, it)
  }
})

t.test('case 65: a `.sig` tag and a bundle side by side, each by its own rules', async t => {
  const stranger = ecdsaSigner()
  type By = (signer: Signer) => Signer
  const own: By = signer => signer
  const other: By = () => stranger
  const rows: readonly { it: string; sig: By; claim: string; bundle: By; identity?: object; status: number }[] = [
    { it: 'both good', sig: own, claim: 'test', bundle: own, status: 200 },
    { it: 'the tag is by somebody else', sig: other, claim: 'test', bundle: own, status: 200 },
    { it: 'the bundle is by somebody else', sig: own, claim: 'test', bundle: other, status: 200 },
    { it: 'both by somebody else', sig: other, claim: 'test', bundle: other, status: 403 },
    { it: 'the tag is for another repository', sig: own, claim: 'copy', bundle: own, status: 200 },
    { it: 'so, and the bundle by somebody else', sig: own, claim: 'copy', bundle: other, status: 403 },
    {
      it: 'an identity that the tag meets',
      sig: own,
      claim: 'test',
      bundle: own,
      identity: { type: 'matchRepository' },
      status: 200,
    },
    {
      it: 'one that neither meets: the name of the one is not lent to the other',
      sig: other,
      claim: 'test',
      bundle: own,
      identity: { type: 'matchRepository' },
      status: 403,
    },
    {
      it: 'one that neither meets, both by the right key',
      sig: own,
      claim: 'copy',
      bundle: own,
      identity: { type: 'matchRepository' },
      status: 403,
    },
  ]
  for (const { it, sig, claim, bundle, identity, status } of rows) {
    const gate = await scene(t, { policy: keyPath => signedBy(keyPath, { signedIdentity: identity }) })
    gate.registry.hasReferrersApi = true
    const image = gate.registry.put('test', imageOf(it), '1')
    gate.registry.sign('test', image, sig(gate.signer), `${HOST}/${claim}`)
    attachBundle(gate, 'test', image, bundle(gate.signer))
    t.equal((await gate.pull('test/manifests/1')).status, status, it)
  }
})
