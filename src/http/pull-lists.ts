import type { FastifyReply } from 'fastify'
import type { Descriptor } from '../manifest/descriptor.ts'
import { MEDIA_TYPES } from '../manifest/media-type.ts'
import { repositoryName } from '../reference/repository.ts'
import type { Upstreams } from '../upstream/upstreams.ts'
import { failureAnswer } from './failure-answer.ts'
import { MAX_TAGS_PAGE, type RegistryRequest, type Target } from './registry-request.ts'
import { sendError } from './send-error.ts'

export type ListDependencies = {
  readonly upstreams: Upstreams
  readonly listMs: number
  readonly onInternalError: (error: unknown, what: string) => void
}

/** GET /v2/<name>/tags/list. Names only: nothing here is judged, and nothing here can be run. */
export async function answerTags(
  { target, page }: Extract<RegistryRequest, { kind: 'tags' }>,
  reply: FastifyReply,
  gate: ListDependencies,
): Promise<FastifyReply> {
  const name = repositoryName(target.repository)
  try {
    const upstream = gate.upstreams.forHost(target.repository.host)
    const n = page.n ?? MAX_TAGS_PAGE
    const list = await upstream?.tags(target.repository, { n, last: page.last }, AbortSignal.timeout(gate.listMs))
    if (list === undefined) {
      return sendError(reply, { status: 404, code: 'NAME_UNKNOWN', message: `${name} is not known upstream` })
    }
    if (list.next !== undefined) reply.header('link', `<${nextPage(target, n, list.next.last)}>; rel="next"`)
    return await sendJson(reply, 'application/json', { name: target.nameAsAsked, tags: list.tags })
  } catch (error) {
    return failed(error, `the tags of ${name}`, reply, gate)
  }
}

/**
 * GET /v2/<name>/referrers/<digest>: the upstream's, whether it has the API or the fallback tag. Where a client may push it is
 * 404 if the upstream has no such API: go-containerregistry, and so cosign, takes 200 to mean that the registry keeps the
 * list, writes no fallback tag, and what it has just signed is found by nobody.
 */
export async function answerReferrers(
  { target, subject, artifactType }: Extract<RegistryRequest, { kind: 'referrers' }>,
  reply: FastifyReply,
  gate: ListDependencies,
): Promise<FastifyReply> {
  const name = repositoryName(target.repository)
  try {
    const upstream = gate.upstreams.forHost(target.repository.host)
    const signal = AbortSignal.timeout(gate.listMs)
    if (
      upstream?.push !== undefined &&
      (await upstream.hasReferrersApi?.(target.repository, subject, signal)) === false
    ) {
      const message = `${target.repository.host} has no referrers API: read and write the fallback tag`
      return sendError(reply, { status: 404, code: 'UNSUPPORTED', message })
    }
    const found = (await upstream?.referrers(target.repository, subject, signal)) ?? []
    const wanted = artifactType === undefined ? found : found.filter(one => one.untrustedArtifactType === artifactType)
    if (artifactType !== undefined) reply.header('oci-filters-applied', 'artifactType')
    const index = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: wanted.map(toJson) }
    return await sendJson(reply, MEDIA_TYPES.ociIndex, index)
  } catch (error) {
    return failed(error, `the referrers of ${name}@${subject}`, reply, gate)
  }
}

function toJson(descriptor: Descriptor): object {
  const { mediaType, digest, size, untrustedArtifactType: artifactType, annotations } = descriptor
  return {
    mediaType,
    digest,
    size,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations.size === 0 ? {} : { annotations: Object.fromEntries(annotations) }),
  }
}

/** The next page, written as the client wrote this one. */
function nextPage(target: Target, n: number, last: string): string {
  const query = new URLSearchParams({ n: String(n), last, ...(target.ns === undefined ? {} : { ns: target.ns }) })
  return `/v2/${target.nameAsAsked}/tags/list?${query.toString()}`
}

function sendJson(reply: FastifyReply, contentType: string, value: object): FastifyReply {
  return reply.header('content-type', contentType).send(Buffer.from(JSON.stringify(value)))
}

function failed(error: unknown, what: string, reply: FastifyReply, gate: ListDependencies): FastifyReply {
  const answer = failureAnswer(error, what)
  if (answer.status === 500) gate.onInternalError(error, what)
  return sendError(reply, answer)
}
