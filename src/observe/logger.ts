import { pino, type DestinationStream, type Logger, type LoggerOptions } from 'pino'
import { LogOutput } from './log-output.ts'
import { keyRows } from '../trust/key-rows.ts'
import type { Snapshot } from '../trust/snapshot.ts'
import type { KeeperEvent } from '../trust/snapshot-keeper.ts'
import { TrustError } from '../trust/trust-error.ts'
import type { Comparison } from '../verdict/comparison.ts'
import type { DecisionRecord } from './decision-log.ts'

export type { Logger } from 'pino'

/** A policy may name thousands; `sealgate keys` lists them all. */
const MAX_KEYS_LOGGED = 50

/** JSON lines on standard output. What must not be in a log is never handed to it; redaction is the second fence. */
export function createLogger(level: string, destination: DestinationStream = new LogOutput()): Logger {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: ['*.authorization', '*.password', '*.token', 'authorization', 'password', 'token'],
  } satisfies LoggerOptions
  return pino(options, destination)
}

/** One line a decision. */
export function logDecision(logger: Logger, record: DecisionRecord): void {
  switch (record.verdict) {
    case 'accepted':
      return logger.info(record, 'pull accepted')
    case 'refused':
      return logger.warn(record, 'pull refused')
    case 'audited':
      return logger.warn(record, 'pull served in audit mode, would have been stopped')
    case 'pusher':
      return logger.warn(record, 'pull refused, but served to a pusher')
    case 'excepted':
      return logger.warn(record, 'pull let through by an exception')
    case 'undecided':
      return logger.error(record, 'pull undecided')
  }
}

/** A policy came into force, or one could not. */
export function logKeeperEvent(logger: Logger, event: KeeperEvent): void {
  switch (event.type) {
    case 'loaded':
      logger.info(
        { policy: event.snapshot.id, loadedAt: event.snapshot.loadedAt, ...countsOf(event.snapshot) },
        'policy in force',
      )
      // Which key stands behind which scope: a broker that gives another tenant's is seen here (case 189).
      for (const key of keyRows(event.snapshot).slice(0, MAX_KEYS_LOGGED)) logger.info(key, 'trusted key')
      for (const warning of event.snapshot.policy.warnings) logger.warn({ warning }, 'policy warning')
      return
    case 'stale':
      logger.error(
        { problems: event.problems, policy: event.snapshot.id },
        'not refreshed; the last good one stays in force',
      )
      return
    case 'failed': {
      const { error, inForce } = event
      logger.error(
        { problems: problemsOf(error), inForce: inForce?.id, inForceSince: inForce?.loadedAt },
        inForce === undefined
          ? 'no policy can be loaded'
          : 'the new policy cannot be used; the last good one stays in force',
      )
    }
  }
}

/** The shadow policy was loaded, or could not be: nothing but the comparison depends on it. */
export function logShadowEvent(logger: Logger, event: KeeperEvent): void {
  switch (event.type) {
    case 'loaded':
      logger.info({ shadowPolicy: event.snapshot.id, ...countsOf(event.snapshot) }, 'shadow policy in use')
      for (const warning of event.snapshot.policy.warnings) logger.warn({ warning }, 'shadow policy warning')
      return
    case 'stale':
      logger.error({ problems: event.problems, inUse: event.snapshot.id }, 'the shadow policy was not refreshed')
      return
    case 'failed':
      logger.error(
        { problems: problemsOf(event.error), inUse: event.inForce?.id },
        event.inForce === undefined
          ? 'the shadow policy cannot be loaded: nothing is compared'
          : 'the new shadow policy cannot be used; the last good one stays in use',
      )
  }
}

/** One line for each pull whose verdict under the shadow policy is another one, when it is first found out. */
export function logDifference(
  logger: Logger,
  { id, reference, digest, verdict }: DecisionRecord,
  { verdict: shadow, reason, code, scope }: Comparison,
): void {
  logger.warn({ id, reference, digest, verdict, shadow, reason, code, scope }, 'the shadow policy differs')
}

function problemsOf(error: unknown): readonly string[] {
  if (error instanceof TrustError) return error.problems
  return [error instanceof Error ? error.message : String(error)]
}

function countsOf(snapshot: Snapshot): { readonly scopes: number; readonly keys: number } {
  let scopes = 0
  for (const byScope of snapshot.policy.transports.values()) scopes += byScope.size
  return { scopes, keys: snapshot.materials.length }
}
