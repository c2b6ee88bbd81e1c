import type { FastifyRequest } from 'fastify'
import type { RegistryHost, Repository } from '../../reference/repository.ts'
import type { Upstreams } from '../../upstream/upstreams.ts'
import { authorizationsOf, parseAuthorization } from '../front/authorization.ts'
import { failureAnswer } from '../failure-answer.ts'
import type { ErrorAnswer } from '../oci-error.ts'
import type { Target } from '../registry-request.ts'
import type { Viewers } from './viewers.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The registry whose login is asked for with a 401; undefined: the gate has the credentials, and the client cannot help. */
    loginFor: RegistryHost | undefined
  }
}

export type GateFor<Gate> =
  { readonly ok: true; readonly gate: Gate } | { readonly ok: false; readonly answer: ErrorAnswer }

/**
 * By whose eyes a request sees its registry: the gate's, or, where clients bring their own credentials, theirs. Who brings
 * none is one of all those who have none, and sees what anybody may.
 *
 * @param common what the gate has for all whom it lets in
 */
export function gateFor<Gate>(
  { repository: { host }, named }: { readonly repository: Pick<Repository, 'host'>; readonly named: Target['named'] },
  request: FastifyRequest,
  common: Gate,
  viewers: Viewers<Gate> | undefined,
): GateFor<Gate> {
  if (viewers?.hosts.has(host) !== true) return { ok: true, gate: common }
  const given = parseAuthorization(authorizationsOf(request.raw))
  if (given.kind === 'none') {
    request.loginFor = host
    return { ok: true, gate: common }
  }
  // One login for several registries' paths: what is meant for one of them would be shown to another.
  if (viewers.hosts.size > 1 && named !== 'host-name' && named !== 'ns') return { ok: false, answer: AMBIGUOUS }
  request.loginFor = host
  switch (given.kind) {
    case 'basic':
      return {
        ok: true,
        gate: viewers.gateFor(host, { kind: 'password', username: given.user, password: given.password }),
      }
    case 'bearer':
    case 'malformed':
      return { ok: false, answer: { status: 401, code: 'UNAUTHORIZED', message: `${host} wants a user and password` } }
  }
}

/**
 * GET /v2/, at an address that stands for one registry. docker, podman, skopeo and crane look there alone for what a registry
 * wants, and send a login nowhere if it was not asked for here; `docker login` takes the answer for the registry's own.
 *
 * @returns undefined: come in
 */
export async function loginAnswer<Gate extends LoginGate>(
  host: RegistryHost | undefined,
  request: FastifyRequest,
  common: Gate,
  viewers: Viewers<Gate> | undefined,
): Promise<ErrorAnswer | undefined> {
  if (host === undefined || viewers?.hosts.has(host) !== true) return undefined
  const found = gateFor({ repository: { host }, named: 'host-name' }, request, common, viewers)
  if (!found.ok) return found.answer
  if (found.gate === common) return { status: 401, code: 'UNAUTHORIZED', message: `${host} may want a login` }
  try {
    await found.gate.upstreams.forHost(host)?.login?.(AbortSignal.timeout(found.gate.listMs))
    return undefined
  } catch (error) {
    return failureAnswer(error, host)
  }
}

export type LoginGate = { readonly upstreams: Upstreams; readonly listMs: number }

const AMBIGUOUS: ErrorAnswer = {
  status: 403,
  code: 'DENIED',
  message:
    'this gate passes logins on to several registries, and this address is for all of them: use the host name that the gate has for the registry, or ?ns=',
}
