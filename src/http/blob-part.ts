import type { FastifyReply } from 'fastify'
import type { LRUCache } from 'lru-cache'
import type { ByteBudget } from '../cache/byte-budget.ts'
import { MAX_MANIFEST_BYTES } from '../manifest/manifest.ts'
import type { Digest } from '../reference/digest.ts'
import { repositoryName, type Repository } from '../reference/repository.ts'
import { resolveRange } from '../upstream/byte-range.ts'
import { readingBlob } from '../upstream/reading-blob.ts'
import { UpstreamError } from '../upstream/upstream-error.ts'
import type { OpenedBlob, Upstream } from '../upstream/upstream.ts'
import { bytesToRead, readSmallBlob, type SmallBlob } from './blob/small-blob.ts'
import type { ErrorAnswer } from './oci-error.ts'
import { sendError } from './send-error.ts'

export type PartDependencies = {
  /** Blobs that are larger than any manifest, so that a range of one need not be looked at again. */
  readonly largeBlobs: LRUCache<string, true>
  /** What all pulls under way may hold. */
  readonly budget: ByteBudget
  /** The length of a blob, or of the part asked for, once it has left whole. */
  readonly onBlobSent: (bytes: number) => void
}

/**
 * The whole blob where it is small enough to be a manifest: the parts of one could be put together again, so a part is only
 * served of bytes that have been seen whole.
 *
 * @returns undefined where there is no such blob
 */
export async function smallBlob(
  upstream: Upstream,
  repository: Repository,
  digest: Digest,
  gate: PartDependencies,
  signal: AbortSignal,
): Promise<SmallBlob | 'no-room' | undefined> {
  const key = `${repositoryName(repository)}@${digest}`
  if (gate.largeBlobs.has(key)) return 'large'
  const whole = await upstream.openBlob(repository, digest, { method: 'GET', range: undefined, signal })
  if (whole?.body === undefined) return undefined
  const { body } = whole
  const bytes = bytesToRead(whole)
  const release = bytes === 'large' ? undefined : gate.budget.hold(body, bytes)
  if (bytes !== 'large' && release === undefined) {
    body.destroy()
    return 'no-room'
  }
  try {
    if (bytes === 'large') body.destroy()
    const found =
      bytes === 'large' ? bytes : await readingBlob(body, repository.host, () => readSmallBlob(body, digest))
    if (found === 'large') gate.largeBlobs.set(key, true)
    return found
  } finally {
    release?.()
  }
}

/** Of a blob that was said to be large: what says otherwise now is not the same, and may be a manifest. */
export function refuseSmallPart({ headers, body }: OpenedBlob, { host }: Repository): void {
  const total = /\/([0-9]+)$/.exec(headers['content-range'] ?? '')?.[1]
  if (total === undefined || Number(total) > MAX_MANIFEST_BYTES) return
  body?.destroy()
  throw new UpstreamError('BAD_ANSWER', `${host} says that a blob has ${total} bytes, and said before that it has more`)
}

export type WantedPart = {
  readonly whole: Uint8Array
  readonly range: string
  readonly digest: Digest
  /** For the message. */
  readonly what: string
}

/** Answers with a part of what has been seen whole. */
export async function sendPart(
  reply: FastifyReply,
  { whole, range, digest, what }: WantedPart,
  gate: Pick<PartDependencies, 'onBlobSent'>,
): Promise<FastifyReply> {
  const resolved = resolveRange(range, whole.byteLength)
  reply.header('accept-ranges', 'bytes')
  if (resolved === 'unsatisfiable') {
    return sendError(reply.header('content-range', `bytes */${whole.byteLength}`), noSuchRange(what))
  }
  const { first, last } = resolved
  const part = whole.subarray(first, last + 1)
  reply.raw.once('finish', () => gate.onBlobSent(part.byteLength))
  return reply
    .code(206)
    .header('content-type', 'application/octet-stream')
    .header('docker-content-digest', digest)
    .header('content-range', `bytes ${first}-${last}/${whole.byteLength}`)
    .send(Buffer.from(part))
}

export function noSuchRange(what: string): ErrorAnswer {
  return { status: 416, code: 'RANGE_INVALID', message: `${what}: no such range` }
}
