import { UndecidedError } from './decision.ts'
import type { Judged } from './enforcement.ts'
import type { CachedDecision } from './verdict-cache.ts'

/**
 * A verdict, or "could not find out" as a value. Everything else that went wrong is still thrown.
 *
 * @param judging what `Judge.judge` gave
 */
export async function asJudged(
  judging: Promise<CachedDecision>,
): Promise<{ readonly decision: Judged; readonly cached: boolean }> {
  try {
    return await judging
  } catch (error) {
    if (!(error instanceof UndecidedError)) throw error
    const { message: reason, evaluation, retryAfterSeconds } = error
    return { decision: { outcome: 'undecided', reason, evaluation, retryAfterSeconds }, cached: false }
  }
}
