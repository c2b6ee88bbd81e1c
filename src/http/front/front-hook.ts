import { TLSSocket } from 'node:tls'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ErrorAnswer } from '../oci-error.ts'
import { sendError } from '../send-error.ts'
import { authorizationsOf, isUserName, parseAuthorization } from './authorization.ts'
import type { CheckCredentials } from './check-credentials.ts'
import type { RateLimiter } from './rate-limiter.ts'

/** Who may come in, and how often. */
export type Front = {
  /** undefined: anybody. */
  readonly check: CheckCredentials | undefined
  readonly perAddress: RateLimiter | undefined
  readonly perUser: RateLimiter | undefined
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Who it is, found out by the gate: a login, or the name in a client's certificate; undefined: anybody. */
    user: string | undefined
  }
}

/**
 * The whole of /v2 is behind this, names that nothing is known of too. The address is counted before any password is
 * looked at, so guessing is slow.
 *
 * @returns the reply if it has been answered, else undefined: the request may go on, with its `user`
 */
export async function admit(
  request: FastifyRequest,
  reply: FastifyReply,
  front: Front,
): Promise<FastifyReply | undefined> {
  const wait = front.perAddress?.take(request.ip)
  if (wait !== undefined) return sendError(reply, tooMany('this address', wait))
  request.user = certifiedName(request)
  if (front.check !== undefined) {
    const checked = await front.check(parseAuthorization(authorizationsOf(request.raw)))
    switch (checked.outcome) {
      case 'known':
        request.user = checked.user
        break
      case 'busy':
        return sendError(reply, tooMany('this gate', 1))
      case 'unknown':
        return sendError(reply, UNAUTHORIZED)
    }
  }
  const userWait = request.user === undefined ? undefined : front.perUser?.take(request.user)
  return userWait === undefined ? undefined : sendError(reply, tooMany('this user', userWait))
}

/**
 * Basic, whatever the kind of credentials: `docker login` and `podman login` ask GET /v2/ and take this as the word to
 * send what they were given, with every later request too (distribution's registry/auth/htpasswd does the same).
 */
const UNAUTHORIZED: ErrorAnswer = {
  status: 401,
  code: 'UNAUTHORIZED',
  message: 'this gate wants a login: user and password are missing or wrong',
  headers: { 'www-authenticate': 'Basic realm="sealgate"' },
}

function tooMany(who: string, seconds: number): ErrorAnswer {
  return {
    status: 429,
    code: 'TOOMANYREQUESTS',
    message: `too many requests of ${who}`,
    headers: { 'retry-after': String(seconds) },
  }
}

/** The common name of a certificate that TLS has verified; without clientCa none is asked for. */
function certifiedName({ raw }: FastifyRequest): string | undefined {
  if (!(raw.socket instanceof TLSSocket) || !raw.socket.authorized) return undefined
  const name: unknown = raw.socket.getPeerCertificate().subject?.CN
  return typeof name === 'string' && isUserName(name) ? name : undefined
}
