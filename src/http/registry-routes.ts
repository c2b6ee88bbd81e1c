import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { failureAnswer } from './failure-answer.ts'
import { admit, type Front } from './front/front-hook.ts'
import { hostileRequest } from './hostile-request.ts'
import type { ErrorAnswer } from './oci-error.ts'
import { answerBlob, type BlobDependencies } from './pull-blob.ts'
import { answerPush, READ_ONLY, type PushDependencies } from './push/answer-push.ts'
import { answerReferrers, answerTags, type ListDependencies } from './pull-lists.ts'
import { answerManifest, type ManifestDependencies } from './answer-manifest.ts'
import { parseRegistryRequest, type Names, type RegistryRequest, type RequestProblem } from './registry-request.ts'
import { sendError } from './send-error.ts'
import { gateFor, loginAnswer } from './viewers/gate-for.ts'
import type { Viewers } from './viewers/viewers.ts'

/** What the stations need. */
export type RegistryGate = ManifestDependencies & BlobDependencies & ListDependencies & PushDependencies

export type RegistryRoutesOptions = {
  readonly names: Names
  readonly front: Front
  /** For all registries that the gate itself has the credentials for, and for those who come without any. */
  readonly gate: RegistryGate
  /** undefined where no registry is asked with the client's own credentials. */
  readonly viewers: Viewers<RegistryGate> | undefined
  /** Told of failures that are nobody's fault but ours. */
  readonly onInternalError: (error: unknown, what: string) => void
}

/**
 * The registry in front: every request is parsed once from its raw target and answered by the station that fits. There
 * is one route, so that no router's idea of a path comes before ours.
 */
export async function registryRoutes(app: FastifyInstance, options: RegistryRoutesOptions): Promise<void> {
  const { names, front, gate: common, viewers } = options
  app.decorateRequest('user', undefined)
  app.decorateRequest('loginFor', undefined)

  app.addHook('onRequest', async (request, reply) => {
    common.turns.noteRequest()
    reply.header('docker-distribution-api-version', 'registry/2.0')
    const hostile = hostileRequest(request.raw)
    if (hostile !== undefined)
      return sendError(reply.header('connection', 'close'), {
        status: 400,
        code: 'UNSUPPORTED',
        message: hostile,
      })
    const turnedAway = await admit(request, reply, front)
    if (turnedAway !== undefined) return turnedAway
    // Before any body is read: where nothing can be pushed, what changes something upstream is refused whatever it carries.
    if (isChange(request.method) && common.pushers.size === 0) {
      return sendError(reply.header('allow', 'GET, HEAD'), READ_ONLY)
    }
  })

  app.setErrorHandler<Error & { readonly statusCode?: number }>((error, request, reply) => {
    // What Fastify itself takes for no request, before any station sees it: a malformed Content-Type (case 147).
    const { statusCode: status = 500 } = error
    if (status >= 400 && status < 500) {
      const message = 'the request is malformed: its Content-Type or its length'
      return sendError(reply.header('connection', 'close'), { status, code: 'UNSUPPORTED', message })
    }
    options.onInternalError(error, `${request.method} ${request.url.slice(0, 200)}`)
    return sendError(reply, failureAnswer(error, 'this request'))
  })
  app.setNotFoundHandler((_request, reply) =>
    sendError(reply, { status: 404, code: 'UNSUPPORTED', message: 'no such route' }),
  )

  app.route({
    method: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    url: '*',
    exposeHeadRoute: false,
    handler: (request, reply) => dispatch(request, reply),
  })

  async function dispatch(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const parsed = parseRegistryRequest(request.raw.url ?? '', request.headers.host, names)
    if (isChange(request.method) && !isPushable(parsed)) {
      return sendError(reply.header('allow', 'GET, HEAD').header('connection', 'close'), NO_SUCH_METHOD)
    }
    if (parsed.kind === 'problem') return sendError(reply, problemAnswer(parsed.problem))
    if (parsed.kind === 'base') {
      const refusal = await loginAnswer(parsed.host, request, common, viewers)
      return refusal === undefined
        ? reply.header('content-type', 'application/json').send('{}')
        : sendError(reply, refusal)
    }
    // distribution-spec, "Registry Proxying": whose repository `?ns=` was taken to mean (case 153).
    if (parsed.target.ns !== undefined) reply.header('oci-namespace', parsed.target.ns)
    const found = gateFor(parsed.target, request, common, viewers)
    if (!found.ok) return sendError(reply, found.answer)
    const { gate } = found
    switch (parsed.kind) {
      case 'uploads':
      case 'upload':
        return answerPush(parsed, request, reply, gate)
      case 'manifest':
        if (isChange(request.method)) return answerPush(parsed, request, reply, gate)
        return answerManifest(parsed, request, reply, gate)
      case 'blob':
        if (isChange(request.method)) return answerPush(parsed, request, reply, gate)
        return answerBlob(parsed, request, reply, gate)
      case 'tags':
        return answerTags(parsed, reply, gate)
      case 'referrers':
        return answerReferrers(parsed, reply, gate)
    }
  }
}

const NO_SUCH_METHOD: ErrorAnswer = { status: 405, code: 'UNSUPPORTED', message: 'no such method here' }

/** A problem is answered as such, whatever the method. */
function isPushable(parsed: RegistryRequest): boolean {
  return parsed.kind !== 'base' && parsed.kind !== 'tags' && parsed.kind !== 'referrers'
}

function isChange(method: string): boolean {
  return method !== 'GET' && method !== 'HEAD'
}

function problemAnswer({ code, message }: RequestProblem): ErrorAnswer {
  switch (code) {
    case 'NOT_FOUND':
      return { status: 404, code: 'UNSUPPORTED', message }
    case 'UNKNOWN_HOST':
      return { status: 403, code: 'DENIED', message }
    case 'UNSUPPORTED':
      return { status: 405, code, message }
    case 'NAME_INVALID':
    case 'TAG_INVALID':
    case 'DIGEST_INVALID':
    case 'PAGINATION_NUMBER_INVALID':
      return { status: 400, code, message }
  }
}
