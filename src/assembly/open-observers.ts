import type { Config } from '../config/config.ts'
import { AuditLog } from '../observe/audit-log.ts'
import type { DecisionRecord } from '../observe/decision-log.ts'
import { logDecision, type Logger } from '../observe/logger.ts'
import { createMetrics, type MetricsSources, type PrometheusMetrics } from '../observe/metrics.ts'
import type { Evaluation } from '../verdict/decision.ts'
import { lapsedExceptions } from '../verdict/enforcement.ts'
import { createEnforcer, type Enforcer } from '../verdict/enforcer.ts'

export type Observers = {
  readonly metrics: PrometheusMetrics
  readonly enforce: Enforcer
  /** Logs, counts and keeps a decision. */
  readonly onDecision: (record: DecisionRecord, evaluation: Evaluation) => void
  /** What waits for the audit log is written. */
  readonly close: () => Promise<void>
}

/** Modes and exceptions, and everybody who is told of a decision. Warns about exceptions that have lapsed. */
export function openObservers(config: Config, logger: Logger, sources: MetricsSources): Observers {
  const metrics = createMetrics(sources)
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
  return {
    metrics,
    enforce: createEnforcer({ mode, modes, exceptions }, () => new Date()),
    onDecision(record, evaluation) {
      logDecision(logger, record)
      metrics.decision(record)
      audit?.write({ time: new Date(), ...record, snapshotId: evaluation.snapshotId, evaluation })
    },
    close: async () => audit?.close(),
  }
}
