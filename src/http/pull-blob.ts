import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Digest } from '../reference/digest.ts'
import { repositoryName, type Repository } from '../reference/repository.ts'
import type { Snapshot } from '../trust/snapshot.ts'
import { readingBlob } from '../upstream/reading-blob.ts'
import type { Upstreams } from '../upstream/upstreams.ts'
import type { AdmittedBlobs } from './admitted-blobs.ts'
import { BlobDigestError, ManifestInBlobError } from './blob/blob-error.ts'
import type { HashThread } from './blob/hash-thread.ts'
import { noSuchRange, refuseSmallPart, sendPart, smallBlob, type PartDependencies } from './blob-part.ts'
import type { Turns } from './blob/turns.ts'
import { streamPartOfBlob, streamWholeBlob } from './blob/stream-blob.ts'
import { failureAnswer, unavailable } from './failure-answer.ts'
import type { ErrorAnswer } from './oci-error.ts'
import { parseRange } from './range.ts'
import type { RegistryRequest } from './registry-request.ts'
import { sendError } from './send-error.ts'

export type BlobDependencies = PartDependencies & {
  readonly upstreams: Upstreams
  readonly snapshots: { readonly current: () => Promise<Snapshot> }
  readonly blobs: 'all' | 'admitted'
  readonly admittedBlobs: AdmittedBlobs
  /** A blob that was kept back, or whose stream was cut before its end though the client was there. */
  readonly onBlobStopped: (reason: BlobStop, error: unknown, what: string) => void
  readonly hashThread: HashThread
  readonly turns: Turns
  /** Milliseconds; a client that takes nothing for so long keeps an upstream's socket for nothing (case 146). */
  readonly stallMs: number
  readonly onInternalError: (error: unknown, what: string) => void
}

/** Why a blob did not leave whole: it is a manifest, has another digest, or something broke on the way. */
export type BlobStop = 'manifest' | 'digest' | 'broken'

type BlobRequest = Extract<RegistryRequest, { kind: 'blob' }>

/** GET and HEAD of a blob: streamed as the client takes it, guarded against manifests and wrong bytes. */
export async function answerBlob(
  { target, digest }: BlobRequest,
  request: FastifyRequest,
  reply: FastifyReply,
  gate: BlobDependencies,
): Promise<FastifyReply> {
  const { repository } = target
  const what = `${repositoryName(repository)}@${digest}`
  const upstream = gate.upstreams.forHost(repository.host)
  if (upstream === undefined) return sendError(reply, unknownBlob(what))
  const hangUp = new AbortController()
  reply.raw.once('close', () => hangUp.abort())
  try {
    const refusal = await refusalOf(repository, digest, what, gate)
    if (refusal !== undefined) return sendError(reply, refusal)
    const method = request.method === 'HEAD' ? 'HEAD' : 'GET'
    const range = method === 'GET' ? parseRange(request.headers.range) : undefined
    if (range !== undefined) {
      const small = await smallBlob(upstream, repository, digest, gate, hangUp.signal)
      if (small === undefined) return sendError(reply, unknownBlob(what))
      if (small === 'no-room') return sendError(reply, unavailable('too many parts of blobs are asked for'))
      if (small !== 'large') return await sendPart(reply, { whole: small, range, digest, what }, gate)
    }
    const blob = await upstream.openBlob(repository, digest, { method, range, signal: hangUp.signal })
    if (blob === undefined) return sendError(reply, unknownBlob(what))
    reply.code(blob.status).headers(blob.headers)
    if (blob.status === 416) {
      blob.body?.destroy()
      return sendError(reply, noSuchRange(what))
    }
    if (blob.status === 206) refuseSmallPart(blob, repository)
    reply.header('content-type', 'application/octet-stream').header('docker-content-digest', digest)
    if (blob.body === undefined) return await reply.send(null)
    const { body, status } = blob
    const length = Number(blob.headers['content-length'] ?? 0)
    const sent = (): void => gate.onBlobSent(length)
    const stream = { body, response: reply.raw, begin: () => begin(reply, gate.stallMs, sent), turns: gate.turns }
    // A part of a blob cannot be checked here; the client checks the whole. That it is no manifest is known already.
    await readingBlob(body, repository.host, () =>
      status === 206
        ? streamPartOfBlob(stream, { isBeginning: blob.headers['content-range']?.startsWith('bytes 0-') === true })
        : streamWholeBlob(stream, digest, gate.hashThread),
    )
    return reply
  } catch (error) {
    // Nobody is there to be told any more.
    if (hangUp.signal.aborted) return reply
    const stop = stopOf(error)
    if (stop !== 'broken' || reply.sent) gate.onBlobStopped(stop, error, what)
    if (reply.sent) {
      reply.raw.destroy()
      return reply
    }
    const answer = failureAnswer(error, what)
    if (answer.status === 500) gate.onInternalError(error, what)
    return sendError(reply, answer)
  }
}

/** From here on the answer is written to the socket itself, by whoever has to know when a chunk has left. */
function begin(reply: FastifyReply, stallMs: number, onSent: () => void): void {
  reply.hijack()
  reply.raw.once('finish', onSent)
  reply.raw.setTimeout(stallMs, () => reply.raw.destroy())
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    if (value !== undefined) reply.raw.setHeader(name, value)
  }
  reply.raw.writeHead(reply.statusCode)
}

function stopOf(error: unknown): BlobStop {
  if (error instanceof ManifestInBlobError) return 'manifest'
  return error instanceof BlobDigestError ? 'digest' : 'broken'
}

async function refusalOf(
  repository: Repository,
  digest: Digest,
  what: string,
  gate: BlobDependencies,
): Promise<ErrorAnswer | undefined> {
  if (gate.blobs === 'all') return undefined
  const { id } = await gate.snapshots.current()
  if (gate.admittedBlobs.has(id, repository, digest)) return undefined
  return { status: 403, code: 'DENIED', message: `blocked by image policy: no accepted manifest names ${what}` }
}

function unknownBlob(what: string): ErrorAnswer {
  return { status: 404, code: 'BLOB_UNKNOWN', message: `${what} is not known upstream` }
}
