import type { FastifyRequest } from 'fastify'
import type { Manifest } from '../manifest/manifest.ts'
import type { DecisionRecord, Explanation, Explanations } from '../observe/decision-log.ts'
import { formatReference, type ImageReference } from '../reference/image-reference.ts'
import { decisionCode } from '../verdict/decision-code.ts'
import type { Evaluation } from '../verdict/decision.ts'
import type { Enforced } from '../verdict/enforcement.ts'
import type { ShadowedPull, ShadowResult } from '../verdict/shadow.ts'
import { verdictOf } from './enforced-answer.ts'

export type RecordDependencies = {
  readonly explanations: Explanations
  /** The shadow policy's verdict on the same bytes, in its own time; undefined where there is no shadow policy. */
  readonly compareWithShadow: ((pull: ShadowedPull) => Promise<ShadowResult>) | undefined
  readonly onDecision: (
    record: DecisionRecord,
    evaluation: Evaluation,
    shadow: Promise<ShadowResult> | undefined,
  ) => void
}

export type Circumstances = Pick<DecisionRecord, 'cache'> & {
  readonly reference: ImageReference
  readonly manifest: Manifest
  readonly request: FastifyRequest
  readonly begun: number
}

/** Tells everybody who keeps count, and gives the decision's id. */
export function recordDecision(
  enforced: Enforced,
  { reference, manifest, request, begun, cache }: Circumstances,
  gate: RecordDependencies,
): string {
  const { decision } = enforced
  const { evaluation } = decision
  const line: DecisionRecord = {
    id: gate.explanations.newId(),
    verdict: verdictOf(enforced),
    reference: formatReference(reference),
    digest: evaluation.digest,
    scope: evaluation.scope,
    reason: decision.outcome === 'accepted' ? decision.via.by : decision.reason,
    code: decisionCode(decision),
    exception: enforced.action === 'serve' && enforced.because === 'exception' ? enforced.exception : undefined,
    signers: decision.outcome === 'accepted' ? decision.signers : [],
    via: decision.outcome === 'accepted' && decision.via.by !== 'policy' ? decision.via : undefined,
    client: request.ip,
    user: request.user,
    durationMs: Math.round((performance.now() - begun) * 100) / 100,
    cache,
  }
  const shadow = gate.compareWithShadow?.({ reference, manifest, decision })
  gate.onDecision(line, evaluation, shadow)
  const isPlain = line.verdict === 'accepted'
  if (isPlain && shadow === undefined) return line.id
  const explanation = { ...line, evaluation, at: new Date().toISOString() }
  if (!isPlain) gate.explanations.add(explanation)
  if (shadow !== undefined) void explainShadow(explanation, shadow, gate.explanations)
  return line.id
}

/** An accepted pull is worth keeping when it is the one whose difference is logged. */
async function explainShadow(
  explanation: Explanation,
  shadow: Promise<ShadowResult>,
  explanations: Explanations,
): Promise<void> {
  const result = await shadow
  if (result.outcome === 'skipped') return
  const { isFirst, comparison } = result
  if (explanation.verdict !== 'accepted' || (isFirst && comparison.differs))
    explanations.add({ ...explanation, shadow: comparison })
}
