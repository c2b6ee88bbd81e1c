import { readFileSync } from 'node:fs'
import t from 'tap'
import { createMetrics } from '../../src/observe/metrics.ts'

/** docs/operations.md's table of metrics, held to what /metrics prints. */
const DOCS = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8')

type Row = { readonly name: string; readonly type: string; readonly labels: readonly string[] }

function documented(): readonly Row[] {
  return [...DOCS.matchAll(/^\| `(sealgate_\w+)` \| (\w+) \| ([^|]*) \|/gm)].map(
    ([, name = '', type = '', labels = '']) => ({
      name,
      type,
      labels: [...labels.matchAll(/`(\w+)`/g)].map(([, label = '']) => label),
    }),
  )
}

/** Everything that can be counted, once, so that each label is seen. */
async function printed(): Promise<readonly Row[]> {
  const metrics = createMetrics({
    brokerKind: 'cdh',
    pullsUnderWay: () => 0,
    snapshotAgeMs: () => 0,
    staleMaterials: () => 0,
    loopDelay: () => ({ p99: 0, max: 0 }),
  })
  metrics.decision({ verdict: 'accepted', scope: 'a', code: 'policy', cache: 'hit', durationMs: 1 })
  metrics.upstream({ host: 'a', outcome: 'found', seconds: 1 })
  metrics.brokerAsked({ outcome: 'given', seconds: 1 })
  metrics.policyLoad('loaded')
  metrics.shadowPolicyLoad('loaded')
  metrics.shadowCompared({ verdict: 'accepted', shadow: 'refused', code: 'reject' })
  metrics.shadowSkipped('busy')
  metrics.auditLost(1)
  metrics.spansLost(1)
  metrics.blobBytes(1)
  metrics.blobStopped('digest')
  metrics.push('put-manifest')
  metrics.shared({ type: 'look', outcome: 'hit', ms: 1 })
  metrics.shared({ type: 'tell', outcome: 'told', ms: 1 })
  metrics.shared({ type: 'refused', reason: 'mac' })
  const text = await metrics.render()
  return [...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name = '', type = '']) => {
    const sample = new RegExp(`^${name}(?:_count)?\\{(.*)\\} `, 'm').exec(text)?.[1] ?? ''
    return { name, type, labels: [...sample.matchAll(/(\w+)="/g)].map(([, label = '']) => label) }
  })
}

t.test('every metric is in the table, with its type and labels, and no other is', async t => {
  const byName = (a: Row, b: Row): number => (a.name < b.name ? -1 : 1)
  t.same([...documented()].sort(byName), [...(await printed())].sort(byName))
})
