import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Manifest } from '../manifest/manifest.ts'
import { formatReference, type ImageReference } from '../reference/image-reference.ts'
import { newDecisionId, type DecisionRecord, type Explanations } from '../observe/decision-log.ts'
import { UndecidedError, type Decision, type Evaluation } from '../verdict/decision.ts'
import type { AdmittedBlobs } from './admitted-blobs.ts'
import {
  refusalAnswer,
  refusedHeadStatus,
  undecidedAnswer,
  verdictHeader,
  type HeadOnRefusal,
} from './decision-answer.ts'
import { failureAnswer, unavailable } from './failure-answer.ts'
import type { ErrorAnswer } from './oci-error.ts'
import { peekManifest, pullManifest, referenceOf, type PullDependencies, type PulledManifest } from './pull-manifest.ts'
import type { RegistryRequest } from './registry-request.ts'
import { sendError } from './send-error.ts'
import type { Slots } from './slots.ts'

export type ManifestDependencies = PullDependencies & {
  readonly headOnRefusal: HeadOnRefusal
  readonly slots: Slots
  readonly admittedBlobs: AdmittedBlobs
  readonly explanations: Explanations
  /** `http://127.0.0.1:5001`; the id follows after /explain/. */
  readonly explainUrl: string
  readonly onDecision: (record: DecisionRecord) => void
  readonly onInternalError: (error: unknown, what: string) => void
}

type ManifestRequest = Extract<RegistryRequest, { kind: 'manifest' }>

const UNDECIDED_RETRY_SECONDS = 5

/** GET and HEAD of a manifest: the whole judgement, then the very bytes it was made on, or the reason why not. */
export async function answerManifest(
  parsed: ManifestRequest,
  request: FastifyRequest,
  reply: FastifyReply,
  gate: ManifestDependencies,
): Promise<FastifyReply> {
  const begun = performance.now()
  const reference = referenceOf(parsed)
  const client = request.ip
  const record = (
    decision: Pick<DecisionRecord, 'verdict' | 'reason' | 'signers' | 'cache'>,
    evaluation: Evaluation,
  ): string => {
    const id = newDecisionId()
    const { digest, scope } = evaluation
    const durationMs = Math.round((performance.now() - begun) * 100) / 100
    const line: DecisionRecord = {
      id,
      reference: formatReference(reference),
      digest,
      scope,
      client,
      user: request.user,
      durationMs,
      ...decision,
    }
    gate.onDecision(line)
    if (decision.verdict !== 'accepted') gate.explanations.add({ ...line, evaluation, at: new Date().toISOString() })
    return id
  }
  try {
    const pulled = peekManifest(reference, client, gate) ?? (await pullWithinLimit(reference, client, gate))
    if (pulled === undefined) return sendError(reply, unavailable('too many pulls are under way'))
    if (!pulled.found) return sendError(reply, unknownManifest(reference))
    const { manifest, decision } = pulled
    const cache = pulled.cached ? 'hit' : 'miss'
    if (decision.outcome === 'accepted') {
      record({ verdict: 'accepted', reason: decision.via.by, signers: decision.signers, cache }, decision.evaluation)
      return await sendAccepted(request, reply, reference, manifest, decision, gate)
    }
    const id = record({ verdict: 'refused', reason: decision.reason, signers: [], cache }, decision.evaluation)
    if (request.method === 'HEAD') {
      const status = refusedHeadStatus(gate.headOnRefusal, request.headers['user-agent'])
      if (status === 405) reply.header('allow', 'GET')
      return reply.code(status).header('x-sealgate-verdict', `refused; id="${id}"`).send()
    }
    reply.header('x-sealgate-verdict', `refused; id="${id}"`)
    return sendError(reply, refusalAnswer(decision, explain(gate, id)))
  } catch (error) {
    if (error instanceof UndecidedError) {
      const id = record({ verdict: 'undecided', reason: error.message, signers: [], cache: 'miss' }, error.evaluation)
      return sendError(reply, undecidedAnswer(error, explain(gate, id), UNDECIDED_RETRY_SECONDS))
    }
    const answer = failureAnswer(error, formatReference(reference))
    if (answer.status === 500) gate.onInternalError(error, formatReference(reference))
    return sendError(reply, answer)
  }
}

/** The slow path, counted: beyond the limit there is no answer but "come again" (case 212). */
async function pullWithinLimit(
  reference: ImageReference,
  client: string,
  gate: ManifestDependencies,
): Promise<PulledManifest | undefined> {
  if (!gate.slots.take()) return undefined
  try {
    return await pullManifest(reference, client, gate)
  } finally {
    gate.slots.release()
  }
}

async function sendAccepted(
  request: FastifyRequest,
  reply: FastifyReply,
  reference: ImageReference,
  manifest: Manifest,
  decision: Extract<Decision, { outcome: 'accepted' }>,
  gate: ManifestDependencies,
): Promise<FastifyReply> {
  const { snapshotId } = decision.evaluation
  gate.admittedBlobs.admit(snapshotId, reference.repository, manifest)
  if (request.method === 'HEAD') gate.judge.announce(decision, reference, request.ip)
  const etag = `"${manifest.digest}"`
  reply
    .header('docker-content-digest', manifest.digest)
    .header('etag', etag)
    .header('x-sealgate-verdict', verdictHeader(decision))
  // Only now, after the verdict: a validator is no way round it (case 130).
  if (matches(request.headers['if-none-match'], etag)) return reply.code(304).send()
  reply.header('content-type', manifest.mediaType).header('content-length', manifest.bytes.byteLength)
  // Node leaves the body out for HEAD; a buffer keeps Fastify from adding a charset to the type.
  return reply.code(200).send(manifest.bytes)
}

function matches(ifNoneMatch: string | undefined, etag: string): boolean {
  return ifNoneMatch !== undefined && ifNoneMatch.split(',').some(tag => tag.trim().replace(/^W\//, '') === etag)
}

function unknownManifest(reference: ImageReference): ErrorAnswer {
  return { status: 404, code: 'MANIFEST_UNKNOWN', message: `${formatReference(reference)} is not known upstream` }
}

function explain(gate: ManifestDependencies, id: string): string {
  return `decision ${id}, explained at ${gate.explainUrl}/explain/${id}`
}
