import { decisionCode } from './decision-code.ts'
import type { Judged } from './enforcement.ts'

/** What another policy says about bytes that one in force has spoken about. Plain data, for logs and records. */
export type Comparison = {
  /** The other policy's verdict. */
  readonly verdict: Judged['outcome']
  readonly reason: string
  /** The reason as one of a bounded set, from decision-code.ts. */
  readonly code: string
  readonly scope: string
  readonly snapshotId: string
  /** Whether its verdict is another one; other reasons for the same verdict are no difference. */
  readonly differs: boolean
}

/** @param inForce the verdict to hold it against, before modes and exceptions */
export function comparisonOf(inForce: Judged['outcome'], other: Judged): Comparison {
  return {
    verdict: other.outcome,
    reason: other.outcome === 'accepted' ? other.via.by : other.reason,
    code: decisionCode(other),
    scope: other.evaluation.scope,
    snapshotId: other.evaluation.snapshotId,
    differs: other.outcome !== inForce,
  }
}
