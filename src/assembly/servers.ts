import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http'
import { fastify, type FastifyInstance } from 'fastify'
import type { ListenAddress } from '../config/listen-address.ts'
import { answerTogether } from '../http/answers-together.ts'
import { errorBody } from '../http/oci-error.ts'
import type { Tls } from './open-tls.ts'

const MAX_URL_LENGTH = 8192
const MS = 1000
/** For a whole request to come in. */
export const REQUEST_MS = 60_000
/** Between two looks, while stopping, for connections whose pull has finished. */
const IDLE_CHECK_MS = 100

/** The admin port, without its routes. */
export function createAdminServer(shutdownSeconds: number): FastifyInstance {
  return createServer({ shutdownSeconds, tls: undefined, requestMs: REQUEST_MS, answersMayWait: () => false })
}

type ServerOptions = {
  readonly shutdownSeconds: number
  readonly tls: Tls | undefined
  /** Milliseconds for a whole request to come in; 0: as long as it takes. */
  readonly requestMs: number
  /** Whether an answer may wait for the end of its turn of the event loop, just now. */
  readonly answersMayWait: () => boolean
}

/** A server with the limits that keep one client's slowness its own (case 146). */
export function createServer({ shutdownSeconds, tls, requestMs, answersMayWait }: ServerOptions): FastifyInstance {
  const limits = {
    keepAliveTimeout: 75 * MS,
    requestTimeout: requestMs,
    headersTimeout: 20 * MS,
    insecureHTTPParser: false,
    maxHeaderSize: 16 * 1024,
    requireHostHeader: true,
  } as const
  const app: FastifyInstance = fastify({
    logger: false,
    trustProxy: false,
    bodyLimit: 1024,
    serverFactory: (listener: RequestListener): Server =>
      tls === undefined ? createHttpServer(limits, listener) : tls.serve(limits, listener),
    connectionTimeout: 0,
    return503OnClosing: true,
    forceCloseConnections: 'idle',
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: MAX_URL_LENGTH, ignoreTrailingSlash: false },
    // What no route even sees: targets that the router cannot decode.
    frameworkErrors: (_error, request, reply) => {
      const answer = { status: 400, code: 'NAME_INVALID', message: 'the request target is malformed' } as const
      const body = request.method === 'HEAD' ? '' : errorBody(answer)
      reply.raw.writeHead(answer.status, { 'content-type': 'application/json' }).end(body)
    },
  })
  answerTogether(app.server, tls === undefined ? 'connection' : 'secureConnection', answersMayWait)
  // No body is ever parsed, whatever it says it is (case 147): a manifest is read as bytes, and a blob goes on as it comes.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, _payload, done) => done(null))
  // Pulls under way finish within the grace; after that their sockets are cut, so that SIGTERM always ends. A connection
  // whose pull has finished is not waited for: clients keep theirs for as long as they like.
  app.addHook('preClose', async () => {
    const idle = setInterval(() => app.server.closeIdleConnections(), IDLE_CHECK_MS).unref()
    setTimeout(() => app.server.closeAllConnections(), shutdownSeconds * MS).unref()
    app.server.once('close', () => clearInterval(idle))
  })
  return app
}

export async function listenOn(app: FastifyInstance, address: ListenAddress): Promise<string> {
  switch (address.kind) {
    case 'tcp':
      return app.listen({ host: address.host, port: address.port })
    case 'unix':
      return app.listen({ path: address.path })
  }
}

export function formatAddress(address: ListenAddress): string {
  switch (address.kind) {
    case 'tcp':
      return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`
    case 'unix':
      return address.path
  }
}
