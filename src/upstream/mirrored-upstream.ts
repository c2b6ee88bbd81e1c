import type { Digest } from '../reference/digest.ts'
import { isDigest } from '../reference/digest.ts'
import type { Tag } from '../reference/repository.ts'
import type { Upstream } from './upstream.ts'
import { UpstreamError, type UpstreamErrorCode } from './upstream-error.ts'

/** A place that has what the registry has, and is asked before it. */
export type Mirror = {
  readonly upstream: Upstream
  /** digest-only: it is never asked what a tag points to. */
  readonly pull: 'all' | 'digest-only'
}

export type MirroredUpstreamOptions = {
  /** In the order in which they are asked. */
  readonly mirrors: readonly Mirror[]
  /** The registry itself: asked last, and the only one that is pushed to. */
  readonly origin: Upstream
  /** Milliseconds of any clock that only goes forward; for tests. */
  readonly now?: () => number
}

/** A mirror that fails like this is not waited for again with every request. */
const TIRING: ReadonlySet<UpstreamErrorCode> = new Set(['UNREACHABLE', 'TIMED_OUT', 'SERVER_ERROR', 'RATE_LIMITED'])
const REST_MS = 10_000

type Place = { readonly name: string; readonly upstream: Upstream; readonly pull: Mirror['pull'] }

/**
 * A registry behind its mirrors, asked in order: the first that has a thing gives it. What a mirror has not got, or
 * cannot tell, the next place is asked; bytes asked for by digest are checked wherever they come from.
 *
 * There is no such thing only where every place said so. If one could not be asked, nobody knows: a look-up that failed is
 * never "no signature" (section 6). A mirror that failed rests for ten seconds, as one that failed.
 */
export function mirroredUpstream(options: MirroredUpstreamOptions): Upstream {
  const { mirrors, origin, now = () => performance.now() } = options
  const places: readonly Place[] = [
    ...mirrors.map((mirror, index) => ({ name: `mirror ${index + 1}`, ...mirror })),
    { name: 'the registry', upstream: origin, pull: 'all' },
  ]
  const resting = new Map<Place, { readonly until: number; readonly error: UpstreamError }>()

  /** @param hasIt what an answer must be for no other place to be asked */
  async function ask<T>(
    asked: readonly Place[],
    request: (upstream: Upstream) => Promise<T>,
    hasIt: (answer: T) => boolean,
  ): Promise<T> {
    let absent: { readonly answer: T } | undefined
    let failure: { readonly place: Place; readonly error: UpstreamError } | undefined
    for (const place of asked) {
      const rest = resting.get(place)
      if (rest !== undefined && rest.until > now()) {
        failure = { place, error: rest.error }
        continue
      }
      try {
        const answer = await request(place.upstream)
        resting.delete(place)
        if (hasIt(answer)) return answer
        absent = { answer }
      } catch (error) {
        if (!(error instanceof UpstreamError)) throw error
        failure = { place, error }
        if (place.upstream !== origin && TIRING.has(error.code)) resting.set(place, { until: now() + REST_MS, error })
      }
    }
    if (failure === undefined && absent !== undefined) return absent.answer
    if (failure === undefined) throw new Error('no place was asked')
    throw absent === undefined ? failure.error : doubt(failure.place, failure.error)
  }

  const placesFor = (reference: Tag | Digest): readonly Place[] =>
    isDigest(reference) ? places : places.filter(({ pull }) => pull === 'all')

  return {
    manifest: (repository, reference, signal) =>
      ask(placesFor(reference), upstream => upstream.manifest(repository, reference, signal), isThere),
    blob: (repository, descriptor, signal) =>
      ask(places, upstream => upstream.blob(repository, descriptor, signal), isThere),
    openBlob: (repository, digest, wanted) =>
      ask(places, upstream => upstream.openBlob(repository, digest, wanted), isThere),
    tags: (repository, page, signal) =>
      ask(
        places.filter(({ pull }) => pull === 'all'),
        upstream => upstream.tags(repository, page, signal),
        isThere,
      ),
    referrers: (repository, subject, signal) =>
      ask(
        places,
        upstream => upstream.referrers(repository, subject, signal),
        answer => answer.length > 0,
      ),
    signatureList: (repository, digest, signal) =>
      ask(places, upstream => upstream.signatureList(repository, digest, signal), isThere),
    // What is pushed is the registry's, and so is whether it has the API that a push depends on.
    ...(origin.hasReferrersApi && { hasReferrersApi: origin.hasReferrersApi }),
    push: origin.push,
    async close() {
      await Promise.all(places.map(({ upstream }) => upstream.close()))
    },
  }
}

function isThere(answer: unknown): boolean {
  return answer !== undefined
}

/** Others have not got it and one could not be asked. To the client that is "later", whatever the one said: not its 401. */
function doubt({ name }: Place, error: UpstreamError): UpstreamError {
  const { retryAfterSeconds, status, complaints } = error
  return new UpstreamError('SERVER_ERROR', `not found elsewhere, and ${name} cannot tell: ${error.message}`, {
    cause: error,
    retryAfterSeconds,
    status,
    complaints,
  })
}
