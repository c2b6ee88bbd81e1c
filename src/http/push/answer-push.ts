import type { FastifyReply, FastifyRequest } from 'fastify'
import { algorithmOf, digestOf, isDigest, type Digest } from '../../reference/digest.ts'
import { repositoryName, type Repository, type Tag } from '../../reference/repository.ts'
import type { Push, PushAnswer, PushRequest } from '../../upstream/push-client.ts'
import type { Upstreams } from '../../upstream/upstreams.ts'
import { failureAnswer } from '../failure-answer.ts'
import type { ErrorAnswer } from '../oci-error.ts'
import type { RegistryRequest, Target } from '../registry-request.ts'
import { sendError } from '../send-error.ts'
import { mayPush, type Pushers } from './pushers.ts'
import { pushRequestOf, type PushPlan } from './push-request.ts'
import type { UploadTokens } from './upload-token.ts'

export type PushDependencies = {
  readonly upstreams: Upstreams
  /** What was pushed or deleted, or its repository's signatures, may be remembered as they were. */
  readonly forget: (repository: Repository, reference: Tag | Digest) => void
  readonly pushers: Pushers
  readonly uploadTokens: UploadTokens
  /** Milliseconds in which a client must send something. */
  readonly stallMs: number
  readonly onPush: (pushed: Pushed) => void
  readonly onInternalError: (error: unknown, what: string) => void
}

/** What went on to an upstream, for the log. */
export type Pushed = {
  readonly step: PushRequest['step']
  readonly repository: string
  readonly reference: string | undefined
  readonly client: string
  readonly user: string | undefined
  /** The answer's. */
  readonly status: number
}

export type PushableRequest = Extract<RegistryRequest, { kind: 'manifest' | 'blob' | 'uploads' | 'upload' }>

/** Everything that changes a registry: passed on to one with `push: passthrough`, for those who may; 405 for all others. */
export async function answerPush(
  parsed: PushableRequest,
  request: FastifyRequest,
  reply: FastifyReply,
  gate: PushDependencies,
): Promise<FastifyReply> {
  const { repository } = parsed.target
  const name = repositoryName(repository)
  const push = gate.upstreams.forHost(repository.host)?.push
  if (push === undefined) return sendError(hangUp(reply.header('allow', 'GET, HEAD')), READ_ONLY)
  if (!mayPush(gate.pushers, repository.host, request.user)) {
    const who = request.user === undefined ? 'without a login nobody' : `${request.user} is not among those who`
    const message = `${who} may push to ${repository.host} through this gate`
    return sendError(hangUp(reply), { status: 403, code: 'DENIED', message })
  }
  const leave = new AbortController()
  reply.raw.once('close', () => leave.abort())
  reply.raw.setTimeout(gate.stallMs, () => reply.raw.destroy())
  try {
    const plan = await pushRequestOf(parsed, request.raw, leave.signal, token =>
      gate.uploadTokens.open(token, repository),
    )
    if (!plan.ok) return sendError(hangUp(reply), plan.answer)
    return await passOn(push, plan, parsed.target, request, reply, gate)
  } catch (error) {
    if (leave.signal.aborted) return reply
    const answer = failureAnswer(error, name)
    if (answer.status === 500) gate.onInternalError(error, name)
    return sendError(hangUp(reply), answer)
  }
}

async function passOn(
  push: Push,
  { request: wanted }: Extract<PushPlan, { ok: true }>,
  target: Target,
  request: FastifyRequest,
  reply: FastifyReply,
  gate: PushDependencies,
): Promise<FastifyReply> {
  const answer = await push(wanted).finally(() => forget(wanted, gate))
  const reference = 'reference' in wanted ? wanted.reference : 'digest' in wanted ? wanted.digest : undefined
  gate.onPush({
    step: wanted.step,
    repository: repositoryName(wanted.repository),
    reference,
    client: request.ip,
    user: request.user,
    status: answer.status,
  })
  for (const [name, value] of Object.entries(headersOf(wanted, answer, target, gate.uploadTokens))) {
    reply.header(name, value)
  }
  return reply.code(answer.status).headers(answer.headers).send()
}

/** What was pushed or deleted counts with the next pull, however the upstream answered. */
function forget(wanted: PushRequest, gate: PushDependencies): void {
  if (wanted.step !== 'put-manifest' && wanted.step !== 'delete-manifest') return
  gate.forget(wanted.repository, wanted.reference)
}

/** Locations are written as the client wrote its request; what a digest is called is ours to say where we have the bytes. */
function headersOf(
  wanted: PushRequest,
  { status, session }: PushAnswer,
  { nameAsAsked, ns, repository }: Target,
  tokens: UploadTokens,
): Readonly<Record<string, string>> {
  const query = ns === undefined ? '' : `?ns=${ns}`
  const at = (path: string): string => `/v2/${nameAsAsked}/${path}${query}`
  if (session !== undefined) return { location: at(`blobs/uploads/${tokens.seal(session, repository)}`) }
  if (status !== 201) return {}
  if (wanted.step === 'put-manifest') {
    const { reference, bytes } = wanted
    const digest = digestOf(bytes, isDigest(reference) ? algorithmOf(reference) : 'sha256')
    return { location: at(`manifests/${reference}`), 'docker-content-digest': digest }
  }
  const digest = 'digest' in wanted ? wanted.digest : undefined
  return digest === undefined ? {} : { location: at(`blobs/${digest}`), 'docker-content-digest': digest }
}

export const READ_ONLY: ErrorAnswer = {
  status: 405,
  code: 'UNSUPPORTED',
  message: 'this gate is read-only: nothing can be pushed or deleted through it',
}

/** Whatever the client is still sending is not read: the connection ends with the answer. */
function hangUp(reply: FastifyReply): FastifyReply {
  return reply.header('connection', 'close')
}
