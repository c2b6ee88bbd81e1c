import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Tracing } from '../observe/tracing.ts'
import { isDigest } from '../reference/digest.ts'
import { repositoryName } from '../reference/repository.ts'
import type { Manifest } from '../manifest/manifest.ts'
import { formatReference, type ImageReference } from '../reference/image-reference.ts'
import type { Enforced } from '../verdict/enforcement.ts'
import type { Enforcer } from '../verdict/enforcer.ts'
import type { AdmittedBlobs } from './admitted-blobs.ts'
import { refusalAnswer, refusedHeadStatus, undecidedAnswer, type HeadOnRefusal } from './decision-answer.ts'
import { servedHeaders } from './enforced-answer.ts'
import { failureAnswer, unavailable } from './failure-answer.ts'
import type { ErrorAnswer } from './oci-error.ts'
import { mayReadUnsigned, type Pushers } from './push/pushers.ts'
import { peekManifest, pullManifest, referenceOf, type PullDependencies, type PulledManifest } from './pull-manifest.ts'
import { recordDecision, type RecordDependencies } from './record-decision.ts'
import type { RegistryRequest } from './registry-request.ts'
import { sendError, sendRefusedHead } from './send-error.ts'
import type { Slots } from './slots.ts'

export type ManifestDependencies = PullDependencies &
  RecordDependencies & {
    readonly headOnRefusal: HeadOnRefusal
    readonly pushers: Pushers
    readonly slots: Slots
    readonly blobs: 'all' | 'admitted'
    readonly admittedBlobs: AdmittedBlobs
    /** `http://127.0.0.1:5001`; the id follows after /explain/. */
    readonly explainUrl: string
    readonly enforce: Enforcer
    /** Goes around each pull where there are traces. */
    readonly tracePull: Tracing['pull'] | undefined
    readonly onInternalError: (error: unknown, what: string) => void
  }

type ManifestRequest = Extract<RegistryRequest, { kind: 'manifest' }>

const UNDECIDED_RETRY_SECONDS = 5

/** GET and HEAD of a manifest: the whole judgement, then the very bytes it was made on, or the reason why not. */
export function answerManifest(
  parsed: ManifestRequest,
  request: FastifyRequest,
  reply: FastifyReply,
  gate: ManifestDependencies,
): Promise<FastifyReply> {
  if (gate.tracePull === undefined) return answerPull(parsed, request, reply, gate)
  const { traceparent } = request.headers
  const start = {
    method: request.method,
    repository: repositoryName(parsed.target.repository),
    by: isDigest(parsed.reference) ? 'digest' : 'tag',
    untrustedTraceparent: typeof traceparent === 'string' ? traceparent : undefined,
    statusCode: () => reply.statusCode,
  } as const
  return gate.tracePull(start, () => answerPull(parsed, request, reply, gate))
}

async function answerPull(
  parsed: ManifestRequest,
  request: FastifyRequest,
  reply: FastifyReply,
  gate: ManifestDependencies,
): Promise<FastifyReply> {
  const begun = performance.now()
  const reference = referenceOf(parsed)
  const client = request.ip
  try {
    const pulled = peekManifest(reference, client, gate) ?? (await pullWithinLimit(reference, client, gate))
    if (pulled === undefined) return sendError(reply, unavailable('too many pulls are under way'))
    if (pulled.found === 'no-room')
      return sendError(reply, unavailable('the manifests of pulls under way take too much memory'))
    if (!pulled.found) return sendError(reply, unknownManifest(reference))
    const { manifest, decision, cached } = pulled
    const enforced = orForPusher(gate.enforce(decision, reference, manifest, client), reference, request, gate)
    const cache = cached ? 'hit' : 'miss'
    const id = recordDecision(enforced, { reference, manifest, request, begun, cache }, gate)
    switch (enforced.action) {
      case 'serve':
        return await sendManifest(request, reply, { reference, manifest, enforced, id }, gate)
      case 'come-again':
        return sendError(reply, undecidedAnswer(enforced.decision, explain(gate, id), UNDECIDED_RETRY_SECONDS))
      case 'refuse': {
        reply.header('x-sealgate-verdict', `refused; id="${id}"`)
        const refusal = refusalAnswer(enforced.decision, explain(gate, id))
        if (request.method !== 'HEAD') return sendError(reply, refusal)
        const status = refusedHeadStatus(gate.headOnRefusal, request.headers['user-agent'])
        if (status === 405) reply.header('allow', 'GET')
        return sendRefusedHead(reply, { ...refusal, status })
      }
    }
  } catch (error) {
    const answer = failureAnswer(error, formatReference(reference))
    if (answer.status === 500) gate.onInternalError(error, formatReference(reference))
    return sendError(reply, answer)
  }
}

/** Refused to everybody else, and neither remembered nor announced: only this answer is different. */
function orForPusher(
  enforced: Enforced,
  { repository }: ImageReference,
  { user }: FastifyRequest,
  { pushers }: ManifestDependencies,
): Enforced {
  if (enforced.action !== 'refuse' || !mayReadUnsigned(pushers, repository.host, user)) return enforced
  return { action: 'serve', because: 'pusher', decision: enforced.decision }
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

type ServedManifest = {
  readonly reference: ImageReference
  readonly manifest: Manifest
  readonly enforced: Extract<Enforced, { action: 'serve' }>
  readonly id: string
}

async function sendManifest(
  request: FastifyRequest,
  reply: FastifyReply,
  { reference, manifest, enforced, id }: ServedManifest,
  gate: ManifestDependencies,
): Promise<FastifyReply> {
  const { snapshotId } = enforced.decision.evaluation
  if (gate.blobs === 'admitted' && enforced.because !== 'pusher')
    gate.admittedBlobs.admit(snapshotId, reference.repository, manifest)
  // Only what was accepted passes its verdict on: an exception must lapse, and a mode must be seen at each pull.
  if (request.method === 'HEAD' && enforced.because === 'accepted') {
    await gate.judge.announce(enforced.decision, reference, request.ip)
  }
  const etag = `"${manifest.digest}"`
  reply.header('docker-content-digest', manifest.digest).header('etag', etag).headers(servedHeaders(enforced, id))
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
