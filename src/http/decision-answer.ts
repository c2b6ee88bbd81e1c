import { shortDigest } from '../reference/digest.ts'
import type { Accepted, Evaluation, Refused } from '../verdict/decision.ts'
import type { Undecided } from '../verdict/enforcement.ts'
import { headerValue, MAX_MESSAGE_LENGTH, type ErrorAnswer } from './oci-error.ts'

/** How a refusal to HEAD is answered: a HEAD has no body to carry the reason. */
export type HeadOnRefusal = 'auto' | '403' | '405'

/**
 * The answer to a pull that the policy refuses. design.md section 6 has the words.
 *
 * @param explain where the whole decision can be read, with its id
 */
export function refusalAnswer(refused: Refused, explain: string): ErrorAnswer {
  return { status: 403, code: 'DENIED', message: refusalMessage(refused), detail: explain }
}

/** `blocked by image policy: example.org/unsigned:latest@sha256:ab12… needs …, found none (scope example.org)` */
export function refusalMessage({ reason, evaluation }: Refused): string {
  const before = `blocked by image policy: ${imageName(evaluation)} `
  const after = ` (scope ${evaluation.scope})`
  // The reason gives way first: which image, and by whose order, must be readable whatever the reason.
  const room = Math.max(MAX_MESSAGE_LENGTH - before.length - after.length, 20)
  return `${before}${reason.length <= room ? reason : `${reason.slice(0, room - 1)}…`}${after}`
}

export function undecidedAnswer(undecided: Undecided, explain: string, retryAfterSeconds: number): ErrorAnswer {
  return {
    status: 503,
    code: 'UNAVAILABLE',
    message: `cannot verify ${undecided.evaluation.reference} now: ${undecided.reason}`,
    detail: explain,
    headers: { 'retry-after': String(undecided.retryAfterSeconds ?? retryAfterSeconds) },
  }
}

/** A decision that is remembered is told again and again, in the same words. */
const written = new WeakMap<Accepted, string>()

/** `X-Sealgate-Verdict: accepted; scope="example.org"; signer="cosign.pub"` */
export function verdictHeader(accepted: Accepted): string {
  const header = written.get(accepted) ?? writeVerdict(accepted)
  written.set(accepted, header)
  return header
}

function writeVerdict({ via, signers, evaluation }: Accepted): string {
  const parts = ['accepted', `scope="${evaluation.scope}"`]
  for (const signer of signers) parts.push(`signer="${signer.replace(/["\\]/g, '')}"`)
  switch (via.by) {
    case 'policy':
      break
    case 'index':
      parts.push(`index="${via.index}"`)
      break
    case 'tag':
      parts.push(`tag="${via.tag}"`)
      break
    case 'signature-artifact':
    case 'children':
    case 'shared':
      parts.push(`via="${via.by}"`)
      break
  }
  return headerValue(parts.join('; '))
}

/**
 * The status of a refused HEAD. containerd, docker and BuildKit repeat a 405 as GET, and then show the reason; a 403
 * ends their pull without one (clients.md section 5.2).
 */
export function refusedHeadStatus(setting: HeadOnRefusal, userAgent: string | undefined): 403 | 405 {
  switch (setting) {
    case '403':
      return 403
    case '405':
      return 405
    case 'auto':
      return /(?:^|[\s(])(?:containerd|docker|buildkit)\//i.test(userAgent ?? '') ? 405 : 403
  }
}

/** `example.org/test:1@sha256:ab12cd34ef56…`, or by digest alone. */
function imageName(evaluation: Evaluation): string {
  const { reference, digest } = evaluation
  const at = reference.indexOf('@')
  return `${at === -1 ? reference : reference.slice(0, at)}@${shortDigest(digest)}`
}
