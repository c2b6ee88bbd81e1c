import type { DecisionVerdict } from '../observe/decision-log.ts'
import type { Enforced } from '../verdict/enforcement.ts'
import { refusalMessage, verdictHeader } from './decision-answer.ts'
import { headerValue } from './oci-error.ts'

type Served = Extract<Enforced, { action: 'serve' }>

/** What the log, the metrics and the audit log call it. */
export function verdictOf(enforced: Enforced): DecisionVerdict {
  switch (enforced.action) {
    case 'refuse':
      return 'refused'
    case 'come-again':
      return 'undecided'
    case 'serve':
      switch (enforced.because) {
        case 'accepted':
          return 'accepted'
        case 'exception':
          return 'excepted'
        case 'audit-mode':
          return 'audited'
        case 'pusher':
          return 'pusher'
      }
  }
}

/** X-Sealgate-Verdict of what is served, and for what the policy does not accept a Warning (design.md section 6). */
export function servedHeaders(served: Served, id: string): Readonly<Record<string, string>> {
  const { decision } = served
  switch (served.because) {
    case 'accepted':
      return { 'x-sealgate-verdict': verdictHeader(served.decision) }
    case 'exception':
      return {
        'x-sealgate-verdict': headerValue(`excepted; scope="${decision.evaluation.scope}"; id="${id}"`),
        warning: warning(
          `let through until ${served.exception.until.toISOString()} although ${refusalMessage(served.decision)}`,
        ),
      }
    case 'pusher':
      return {
        'x-sealgate-verdict': headerValue(`pusher; scope="${decision.evaluation.scope}"; id="${id}"`),
        warning: warning(`served to a pusher only: ${refusalMessage(served.decision)}`),
      }
    case 'audit-mode': {
      const message =
        served.decision.outcome === 'refused'
          ? refusalMessage(served.decision)
          : `cannot verify ${decision.evaluation.reference} now: ${served.decision.reason}`
      return {
        'x-sealgate-verdict': headerValue(`audited; scope="${decision.evaluation.scope}"; id="${id}"`),
        warning: warning(`served in audit mode only: ${message}`),
      }
    }
  }
}

/** RFC 7234 section 5.5: 299 is a miscellaneous persistent warning, `-` an agent without a name. */
function warning(text: string): string {
  return `299 - "${headerValue(text.replace(/["\\]/g, "'"))}"`
}
