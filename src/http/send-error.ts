import type { FastifyReply } from 'fastify'
import { errorBody, reasonPhrase, type ErrorAnswer } from './oci-error.ts'

/**
 * Sends an error as registries do. Node leaves the body out for HEAD. The message is in the status line too: ctr, containerd
 * before 2.1 and BuildKit print that and never the body (docs/clients.md).
 */
export function sendError(reply: FastifyReply, answer: ErrorAnswer): FastifyReply {
  const body = Buffer.from(errorBody(answer))
  if (answer.headers !== undefined) reply.headers(answer.headers)
  const { loginFor } = reply.request
  // Basic, for it is what clients have; the registry's own way of asking is between it and us.
  if (answer.status === 401 && loginFor !== undefined) {
    reply.header('www-authenticate', `Basic realm="${loginFor}"`)
  }
  reply.raw.statusMessage = reasonPhrase(answer)
  return reply.code(answer.status).header('content-type', 'application/json').send(body)
}

/** A refused HEAD: as an error, without a body. */
export function sendRefusedHead(reply: FastifyReply, answer: ErrorAnswer): FastifyReply {
  reply.raw.statusMessage = reasonPhrase(answer)
  return reply.code(answer.status).send()
}
