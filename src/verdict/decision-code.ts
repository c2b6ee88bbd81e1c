import { describeRequirement } from '../policy/format.ts'
import type { Judged } from './enforcement.ts'

/** The reason of a verdict as a code out of a bounded set, for metrics: never a name, never free text. */
export function decisionCode(decision: Judged): string {
  switch (decision.outcome) {
    case 'accepted':
      return decision.via.by
    case 'undecided':
      return 'undecided'
    case 'refused': {
      const unmet = decision.evaluation.requirements.find(({ outcome }) => outcome === 'unmet')
      if (unmet === undefined) return 'child'
      if (unmet.requirement === describeRequirement({ type: 'reject' })) return 'reject'
      for (const signature of unmet.signatures) if (!signature.counts) return signature.code
      return 'no-signature'
    }
  }
}
