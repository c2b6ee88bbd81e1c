import t from 'tap'
import { createMetrics } from '../../src/observe/metrics.ts'

const sources = {
  brokerKind: 'cdh',
  pullsUnderWay: () => 3,
  snapshotAgeMs: () => 1500,
  staleMaterials: () => 1,
  loopDelay: () => ({ p99: 0.002, max: 0.5 }),
}

t.test('what is counted is shown', async t => {
  const metrics = createMetrics(sources)
  metrics.decision({ verdict: 'refused', scope: 'example.org', code: 'no-signature', cache: 'hit', durationMs: 2 })
  metrics.upstream({ host: 'example.org', outcome: 'found', seconds: 0.2 })
  metrics.policyLoad('failed')
  metrics.auditLost(4)
  metrics.blobBytes(10)
  const text = await metrics.render()
  for (const line of [
    'sealgate_verdicts_total{verdict="refused",scope="example.org",reason="no-signature"} 1',
    'sealgate_decision_seconds_bucket{le="0.005",cache="hit"} 1',
    'sealgate_cache_hits_total 1',
    'sealgate_upstream_seconds_count{host="example.org",outcome="found"} 1',
    'sealgate_policy_loads_total{outcome="failed"} 1',
    'sealgate_audit_records_lost_total 4',
    'sealgate_blob_bytes_total 10',
    'sealgate_pulls_under_way 3',
    'sealgate_snapshot_age_seconds 1.5',
    'sealgate_stale_materials 1',
    'sealgate_event_loop_delay_seconds{quantile="0.99"} 0.002',
    'sealgate_event_loop_delay_seconds{quantile="1"} 0.5',
  ])
    t.ok(text.includes(`${line}\n`), line)
})

t.test('case 150: labels are bounded, and each gate counts for itself', async t => {
  const metrics = createMetrics(sources)
  for (let n = 0; n < 1000; n += 1) {
    metrics.decision({ verdict: 'accepted', scope: `h/${n}`, code: 'policy', cache: 'miss', durationMs: 1 })
  }
  const text = await metrics.render()
  t.equal(text.match(/^sealgate_verdicts_total\{/gm)?.length, 201)
  t.match(text, /scope="other",reason="policy"\} 800/)
  t.notMatch(await createMetrics(sources).render(), /h\/1/)
})
