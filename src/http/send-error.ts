import type { FastifyReply } from 'fastify'
import { errorBody, type ErrorAnswer } from './oci-error.ts'

/** Sends an error as registries do. Node leaves the body out for HEAD. */
export function sendError(reply: FastifyReply, answer: ErrorAnswer): FastifyReply {
  const body = Buffer.from(errorBody(answer))
  if (answer.headers !== undefined) reply.headers(answer.headers)
  return reply.code(answer.status).header('content-type', 'application/json').send(body)
}
