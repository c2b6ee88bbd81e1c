import t from 'tap'
import { imageOf, indexOf } from '../support/signer.ts'
import { scene } from './scene.ts'

const leaf = imageOf('leaf')
const inner = indexOf([leaf.manifest])
const outer = indexOf([inner])

t.test('indexes nest as deep as is configured, and no deeper (case 117)', async t => {
  const table = [
    { indexDepth: 1, inner: 403, leaf: 403 },
    { indexDepth: 2, inner: 200, leaf: 200 },
  ]
  for (const row of table) {
    const { registry, signer, pull } = await scene(t, { config: { indexDepth: row.indexDepth } })
    registry.put('nested', leaf)
    registry.put('nested', { manifest: inner, blobs: [] })
    registry.put('nested', { manifest: outer, blobs: [] }, 'latest')
    registry.sign('nested', outer, signer, 'example.org/nested')
    t.equal((await pull('nested/manifests/latest')).status, 200)
    t.equal(
      (await pull(`nested/manifests/${inner.digest}`)).status,
      row.inner,
      `depth ${row.indexDepth}: the inner index`,
    )
    t.equal(
      (await pull(`nested/manifests/${leaf.manifest.digest}`)).status,
      row.leaf,
      `depth ${row.indexDepth}: its image`,
    )
  }
})

t.test('indexes of which every child must be accepted nest no deeper either (case 117)', async t => {
  for (const [indexDepth, status] of [
    [1, 403],
    [2, 200],
  ] as const) {
    const { registry, signer, pull } = await scene(t, { config: { index: 'children', indexDepth } })
    registry.put('nested', leaf)
    registry.put('nested', { manifest: inner, blobs: [] })
    registry.put('nested', { manifest: outer, blobs: [] }, 'latest')
    registry.sign('nested', leaf.manifest, signer, 'example.org/nested')
    t.equal((await pull('nested/manifests/latest')).status, status, `depth ${indexDepth}`)
    t.equal(registry.count(`manifests/${leaf.manifest.digest}`), indexDepth - 1, 'what lies deeper is not asked for')
  }
})

t.test('a scope written for a digest is heard, whoever lists the digest', async t => {
  const { registry, signer, pull } = await scene(t, {
    policy: keyPath => ({
      default: [{ type: 'reject' }],
      transports: {
        docker: {
          'example.org': [{ type: 'sigstoreSigned', keyPath }],
          [`example.org/multi@${leaf.manifest.digest}`]: [{ type: 'reject' }],
        },
      },
    }),
  })
  const other = imageOf('other')
  const index = indexOf([leaf.manifest, other.manifest])
  for (const child of [leaf, other]) registry.put('multi', child)
  registry.put('multi', { manifest: index, blobs: [] }, 'latest')
  registry.sign('multi', index, signer, 'example.org/multi')
  t.equal((await pull('multi/manifests/latest')).status, 200)
  t.equal((await pull(`multi/manifests/${other.manifest.digest}`)).status, 200)
  const refused = await pull(`multi/manifests/${leaf.manifest.digest}`)
  t.equal(refused.status, 403)
  t.match(refused.message, /is rejected by the policy/)
})
