import { UpstreamError } from './upstream-error.ts'

/** Whatever a registry says: nobody is shut out for an hour by one answer. */
const MAX_REST_SECONDS = 300

/**
 * What a registry counts apart: the limits of Docker Hub and of others are on manifests, and a blob of an image whose
 * manifest was had before is still given.
 */
export type Counted = 'blobs' | 'all else'

/** A registry that has said when to come again is not asked before, whoever asks us meanwhile. RFC 9110 section 10.2.3. */
export class RestPeriods {
  readonly #host: string
  readonly #until: Record<Counted, number> = { blobs: 0, 'all else': 0 }

  constructor(host: string) {
    this.#host = host
  }

  /** @throws UpstreamError RATE_LIMITED with the seconds left, while the registry rests */
  mustBeOver(counted: Counted): void {
    const left = this.#until[counted] - performance.now()
    if (left <= 0) return
    const seconds = Math.ceil(left / 1000)
    const message = `${this.#host} has had too many requests, and wants none for another ${seconds} s`
    throw new UpstreamError('RATE_LIMITED', message, { status: 429, retryAfterSeconds: seconds })
  }

  /** @param seconds what Retry-After said; without it nothing is known, and nothing rests */
  begin(counted: Counted, seconds: number | undefined): void {
    const ms = Math.min(seconds ?? 0, MAX_REST_SECONDS) * 1000
    this.#until[counted] = Math.max(this.#until[counted], performance.now() + ms)
  }
}

/** distribution-spec 1.1: `/v2/<name>/blobs/<digest>`, and uploads below `/v2/<name>/blobs/uploads/`. */
export function countedOf({ pathname }: URL): Counted {
  return /^\/v2\/.+\/blobs\//.test(pathname) ? 'blobs' : 'all else'
}
