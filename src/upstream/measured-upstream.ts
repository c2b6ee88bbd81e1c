import type { Upstream } from './upstream.ts'
import { UpstreamError } from './upstream-error.ts'

/** `outcome` is found, absent, failed or the code of an UpstreamError. */
export type ObserveRequest = (request: {
  readonly host: string
  readonly operation: keyof Upstream
  readonly outcome: string
  readonly seconds: number
}) => void

/** An upstream that tells how each request went: the time to the answer, not that of a blob's bytes. */
export function measuredUpstream(upstream: Upstream, host: string, observe: ObserveRequest): Upstream {
  async function measure<T>(operation: keyof Upstream, request: Promise<T>): Promise<T> {
    const begun = performance.now()
    const tell = (outcome: string): void =>
      observe({ host, operation, outcome, seconds: (performance.now() - begun) / 1000 })
    try {
      const answer = await request
      tell(answer === undefined ? 'absent' : 'found')
      return answer
    } catch (error) {
      tell(error instanceof UpstreamError ? error.code : 'failed')
      throw error
    }
  }
  const { push, hasReferrersApi, login, seenBy } = upstream
  return {
    manifest: (...args) => measure('manifest', upstream.manifest(...args)),
    blob: (...args) => measure('blob', upstream.blob(...args)),
    openBlob: (...args) => measure('openBlob', upstream.openBlob(...args)),
    tags: (...args) => measure('tags', upstream.tags(...args)),
    referrers: (...args) => measure('referrers', upstream.referrers(...args)),
    ...(hasReferrersApi && {
      hasReferrersApi: (...args) => measure('referrers', hasReferrersApi(...args)),
    }),
    signatureList: (...args) => measure('signatureList', upstream.signatureList(...args)),
    push: push && (request => measure('push', push(request))),
    ...(login && { login: signal => measure('login', login(signal)) }),
    ...(seenBy && { seenBy: credentials => measuredUpstream(seenBy(credentials), host, observe) }),
    close: () => upstream.close(),
  }
}
