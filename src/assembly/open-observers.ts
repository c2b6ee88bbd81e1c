import type { Config } from '../config/config.ts'
import { AuditLog } from '../observe/audit-log.ts'
import type { DecisionRecord } from '../observe/decision-log.ts'
import type { RecordDependencies } from '../http/record-decision.ts'
import { logDecision, logDifference, type Logger } from '../observe/logger.ts'
import { watchLoopDelay } from '../observe/loop-delay.ts'
import { createMetrics, type MetricsSources, type PrometheusMetrics } from '../observe/metrics.ts'
import { lapsedExceptions } from '../verdict/enforcement.ts'
import { createEnforcer, type Enforcer } from '../verdict/enforcer.ts'
import type { ObserveRequest } from '../upstream/measured-upstream.ts'
import { openTracing } from './open-tracing.ts'
import { untraced, type Around, type Tracing } from '../observe/tracing.ts'
import type { ShadowResult } from '../verdict/shadow.ts'

/** What `createEngine` tells: measured, and traced where there are traces. */
export type EngineObservers = Pick<PrometheusMetrics, 'policyLoad' | 'shadowPolicyLoad' | 'brokerAsked'> & {
  readonly upstream: ObserveRequest
  readonly around: Around
}

export type Observers = {
  readonly metrics: PrometheusMetrics
  /** What the engine tells of itself. */
  readonly engine: EngineObservers
  /** undefined where there are no traces. */
  readonly tracing: Tracing | undefined
  readonly enforce: Enforcer
  /** Logs, counts and keeps a decision, and what the shadow policy says of it as soon as that is known. */
  readonly onDecision: RecordDependencies['onDecision']
  /** What waits for the audit log is written. */
  readonly close: () => Promise<void>
}

/** Modes and exceptions, and everybody who is told of a decision. Warns about exceptions that have lapsed. */
export async function openObservers(
  config: Config,
  logger: Logger,
  sources: Omit<MetricsSources, 'loopDelay'>,
): Promise<Observers> {
  const loopDelay = watchLoopDelay()
  const metrics = createMetrics({ ...sources, loopDelay: loopDelay.read })
  const tracing = await openTracing(config.tracing, spans => metrics.spansLost(spans))
  const audit =
    config.audit &&
    new AuditLog({
      ...config.audit,
      onLost({ records, error, first }) {
        metrics.auditLost(records)
        if (first) logger.error({ err: error, file: config.audit?.file }, 'the audit log cannot be written')
      },
    })
  const { mode, exceptions } = config
  for (const exception of lapsedExceptions(exceptions, new Date())) {
    logger.warn({ exception }, 'this exception has lapsed: what it let through is refused')
  }
  const modes = new Map(config.modes.map(entry => [entry.scope, entry.mode]))
  const waiting = new Set<Promise<void>>()
  return {
    metrics,
    engine: engineObservers(metrics, tracing, config.keyBroker?.kind ?? 'none'),
    tracing,
    enforce: createEnforcer({ mode, modes, exceptions }, () => new Date()),
    onDecision(record, evaluation, shadow) {
      logDecision(logger, record)
      metrics.decision(record)
      tracing?.decided(record)
      if (audit === undefined && shadow === undefined) return
      const kept = { time: new Date(), ...record, snapshotId: evaluation.snapshotId, evaluation }
      if (shadow === undefined) return audit?.write(kept)
      // One record a decision: it waits for the shadow, which is bounded in number and time.
      const told = keepWithShadow(record, kept, shadow).finally(() => waiting.delete(told))
      waiting.add(told)
    },
    async close() {
      loopDelay.stop()
      await Promise.all(waiting)
      await audit?.close()
      await tracing?.close()
    },
  }

  async function keepWithShadow(record: DecisionRecord, kept: object, shadow: Promise<ShadowResult>): Promise<void> {
    const result = await shadow
    tellOfShadow(record, result)
    audit?.write({ ...kept, shadow: result.outcome === 'compared' ? result.comparison : { skipped: result.why } })
  }

  function tellOfShadow(record: DecisionRecord, result: ShadowResult): void {
    if (result.outcome === 'skipped') {
      metrics.shadowSkipped(result.why)
      if (result.why === 'failed') logger.error({ err: result.error, id: record.id }, 'the shadow policy cannot judge')
      return
    }
    const { isFirst, comparison } = result
    if (!isFirst) return
    const { verdict, code } = comparison
    metrics.shadowCompared({ verdict: outcomeOf(record), shadow: verdict, code })
    if (comparison.differs) logDifference(logger, record, comparison)
  }
}

function engineObservers(
  metrics: PrometheusMetrics,
  tracing: Tracing | undefined,
  brokerKind: string,
): EngineObservers {
  if (tracing === undefined) return { ...metrics, around: untraced }
  return {
    ...metrics,
    around: tracing.around,
    upstream(request) {
      metrics.upstream(request)
      tracing.asked({ whom: 'upstream', name: request.host, ...request })
    },
    brokerAsked(ask) {
      metrics.brokerAsked(ask)
      tracing.asked({ whom: 'keybroker', operation: 'get', name: brokerKind, ...ask })
    },
  }
}

/** The policy's own verdict, before modes and exceptions. */
function outcomeOf({ verdict, code }: DecisionRecord): 'accepted' | 'refused' | 'undecided' {
  switch (verdict) {
    case 'accepted':
    case 'refused':
    case 'undecided':
      return verdict
    case 'excepted':
    case 'pusher':
      return 'refused'
    case 'audited':
      return code === 'undecided' ? 'undecided' : 'refused'
  }
}
