import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { LoopDelay } from './loop-delay.ts'
import type { SharedEvent } from '../shared/shared-event.ts'
import { createSharedMetrics } from './shared-metrics.ts'

/** What the gate tells of itself. Every label is one of a bounded set; names of images and free text are none. */
export type Metrics = {
  readonly decision: (decision: MeasuredDecision) => void
  readonly upstream: (request: { readonly host: string; readonly outcome: string; readonly seconds: number }) => void
  readonly policyLoad: (outcome: 'loaded' | 'stale' | 'failed') => void
  readonly brokerAsked: (ask: { readonly outcome: string; readonly seconds: number }) => void
  readonly shadowPolicyLoad: (outcome: 'loaded' | 'stale' | 'failed') => void
  /** A comparison that was made and not remembered. */
  readonly shadowCompared: (comparison: MeasuredComparison) => void
  readonly shadowSkipped: (why: 'busy' | 'unavailable' | 'failed') => void
  readonly spansLost: (spans: number) => void
  readonly auditLost: (records: number) => void
  readonly blobBytes: (bytes: number) => void
  /** A request that changed an upstream, by its step in push-client.ts. */
  readonly push: (step: string) => void
  readonly blobStopped: (reason: 'manifest' | 'digest' | 'broken') => void
  readonly shared: (event: SharedEvent) => void
}

export type MeasuredDecision = {
  readonly verdict: 'accepted' | 'refused' | 'undecided' | 'audited' | 'excepted' | 'pusher'
  readonly scope: string
  /** From decision-code.ts. */
  readonly code: string
  readonly cache: 'hit' | 'miss'
  readonly durationMs: number
}

export type MeasuredComparison = {
  /** By the policy in force, before modes and exceptions, and by the shadow policy. */
  readonly verdict: Outcome
  readonly shadow: Outcome
  /** The shadow's reason, from decision-code.ts. */
  readonly code: string
}

type Outcome = 'accepted' | 'refused' | 'undecided'

export type MetricsSources = {
  /** Which kind of key broker is configured, if any. */
  readonly brokerKind: string | undefined
  readonly pullsUnderWay: () => number
  /** undefined while there is no snapshot. */
  readonly snapshotAgeMs: () => number | undefined
  /** How many pieces of trust material are the last good ones because newer ones could not be had. */
  readonly staleMaterials: () => number
  /** Since it was last asked. */
  readonly loopDelay: () => LoopDelay
}

export type PrometheusMetrics = Metrics & {
  readonly contentType: string
  /** The text exposition format. */
  readonly render: () => Promise<string>
}

const MAX_SCOPES = 200
const BUCKETS = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 20]

/** Metrics in a registry of their own, for GET /metrics on the admin port. */
export function createMetrics(sources: MetricsSources): PrometheusMetrics {
  const registry = new Registry()
  const registers = [registry]
  const verdicts = new Counter({
    name: 'sealgate_verdicts_total',
    help: 'Manifest requests by verdict, scope of the policy and reason.',
    labelNames: ['verdict', 'scope', 'reason'],
    registers,
  })
  const latency = new Histogram({
    name: 'sealgate_decision_seconds',
    help: 'From the request to its verdict, the fetching of the manifest included.',
    labelNames: ['cache'],
    buckets: BUCKETS,
    registers,
  })
  const hits = new Counter({ name: 'sealgate_cache_hits_total', help: 'Verdicts that were at hand.', registers })
  const upstreams = new Histogram({
    name: 'sealgate_upstream_seconds',
    help: 'Requests to registries by host and outcome.',
    labelNames: ['host', 'outcome'],
    buckets: BUCKETS,
    registers,
  })
  const loads = new Counter({
    name: 'sealgate_policy_loads_total',
    help: 'Changes of policy and keys from files, the key broker or TUF; failed and stale ones leave the last good in force.',
    labelNames: ['outcome'],
    registers,
  })
  const misses = new Counter({
    name: 'sealgate_cache_misses_total',
    help: 'Verdicts that had to be made.',
    registers,
  })
  const brokers = new Histogram({
    name: 'sealgate_broker_seconds',
    help: 'Questions to the key broker by its kind and the outcome: given, or why not.',
    labelNames: ['kind', 'outcome'],
    buckets: BUCKETS,
    registers,
  })
  const shadowLoads = new Counter({
    name: 'sealgate_shadow_policy_loads_total',
    help: 'Changes of the shadow policy and its keys.',
    labelNames: ['outcome'],
    registers,
  })
  const shadows = new Counter({
    name: 'sealgate_shadow_verdicts_total',
    help: "Images judged under the shadow policy as well: the verdict in force, the shadow's and its reason.",
    labelNames: ['verdict', 'shadow', 'reason'],
    registers,
  })
  const unshadowed = new Counter({
    name: 'sealgate_shadow_skipped_total',
    help: 'Pulls that were not compared: too many at once, no shadow policy to be had, or a failure.',
    labelNames: ['reason'],
    registers,
  })
  const spansLost = new Counter({
    name: 'sealgate_trace_spans_lost_total',
    help: 'Spans that the collector of traces did not take.',
    registers,
  })
  const lost = new Counter({
    name: 'sealgate_audit_records_lost_total',
    help: 'Records that could not be written to the audit log.',
    registers,
  })
  const blobs = new Counter({ name: 'sealgate_blob_bytes_total', help: 'Bytes of blobs passed on.', registers })
  const stopped = new Counter({
    name: 'sealgate_blobs_stopped_total',
    help: 'Blobs that did not leave whole: manifests asked for as blobs, wrong digests, streams that broke.',
    labelNames: ['reason'],
    registers,
  })
  const pushes = new Counter({
    name: 'sealgate_pushes_total',
    help: 'Requests of pushes and deletions that upstreams have taken, by step.',
    labelNames: ['step'],
    registers,
  })
  const pulls = new Gauge({
    name: 'sealgate_pulls_under_way',
    help: 'Manifest requests that wait for an upstream or a verdict.',
    registers,
  })
  const age = new Gauge({
    name: 'sealgate_snapshot_age_seconds',
    help: 'Since policy and keys were last seen to be current; NaN: there are none.',
    registers,
  })
  const stale = new Gauge({
    name: 'sealgate_stale_materials',
    help: 'Trust material that could not be refreshed by TUF and is the last good one instead.',
    registers,
  })
  const delays = new Gauge({
    name: 'sealgate_event_loop_delay_seconds',
    help: 'How late the event loop came since the last scrape: the 99th percentile, and the longest (1).',
    labelNames: ['quantile'],
    registers,
  })
  const scopes = new Set<string>()
  let sharedMetrics: ((event: SharedEvent) => void) | undefined

  // A policy may have thousands of scopes, and others after each change: the first ones have a name of their own.
  function scopeLabel(scope: string): string {
    if (scopes.has(scope)) return scope
    if (scope === '' || scopes.size >= MAX_SCOPES) return 'other'
    scopes.add(scope)
    return scope
  }

  return {
    decision({ verdict, scope, code, cache, durationMs }) {
      verdicts.inc({ verdict, scope: scopeLabel(scope), reason: code })
      latency.observe({ cache }, durationMs / 1000)
      if (cache === 'hit') hits.inc()
      else misses.inc()
    },
    upstream({ host, outcome, seconds }) {
      upstreams.observe({ host, outcome }, seconds)
    },
    policyLoad(outcome) {
      loads.inc({ outcome })
    },
    brokerAsked({ outcome, seconds }) {
      brokers.observe({ kind: sources.brokerKind ?? 'none', outcome }, seconds)
    },
    shadowPolicyLoad(outcome) {
      shadowLoads.inc({ outcome })
    },
    shadowCompared({ verdict, shadow, code }) {
      shadows.inc({ verdict, shadow, reason: code })
    },
    shadowSkipped(why) {
      unshadowed.inc({ reason: why })
    },
    spansLost(spans) {
      spansLost.inc(spans)
    },
    auditLost(records) {
      lost.inc(records)
    },
    blobBytes(bytes) {
      blobs.inc(bytes)
    },
    push(step) {
      pushes.inc({ step })
    },
    blobStopped(reason) {
      stopped.inc({ reason })
    },
    shared(event) {
      // Only where there is a shared memory: without one, "down" would be an alarm.
      sharedMetrics ??= createSharedMetrics(registers)
      sharedMetrics(event)
    },
    contentType: Registry.PROMETHEUS_CONTENT_TYPE,
    render() {
      const ageMs = sources.snapshotAgeMs()
      const { p99, max } = sources.loopDelay()
      delays.set({ quantile: '0.99' }, p99)
      delays.set({ quantile: '1' }, max)
      pulls.set(sources.pullsUnderWay())
      stale.set(sources.staleMaterials())
      age.set(ageMs === undefined ? Number.NaN : ageMs / 1000)
      return registry.metrics()
    },
  }
}
