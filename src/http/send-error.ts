import type { FastifyReply, FastifyRequest } from 'fastify'
import { errorBody, type ErrorAnswer } from './oci-error.ts'

/** Sends an error as registries do; a HEAD gets the same headers without the body. */
export function sendError(request: FastifyRequest, reply: FastifyReply, answer: ErrorAnswer): FastifyReply {
  const body = errorBody(answer)
  if (answer.headers !== undefined) reply.headers(answer.headers)
  reply.code(answer.status).header('content-type', 'application/json').header('content-length', Buffer.byteLength(body))
  return reply.send(request.method === 'HEAD' ? null : body)
}
