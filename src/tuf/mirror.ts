import { readBounded } from '../upstream/bounded-body.ts'
import { openDial, type DialTrust } from '../upstream/dial.ts'
import { UpstreamError } from '../upstream/upstream-error.ts'
import { TufError } from './tuf-error.ts'

/** The files of one TUF repository, by their path below its base: `timestamp.json`, `targets/trusted_root.json`. */
export type Mirror = {
  /** For people: the base URL. */
  readonly name: string
  /**
   * @param maxBytes more than that is an error, not a beginning
   * @returns undefined where the mirror has no such file
   * @throws TufError MIRROR
   */
  readonly get: (path: string, maxBytes: number, signal: AbortSignal) => Promise<Buffer | undefined>
  readonly close: () => Promise<void>
}

export type MirrorOptions = {
  /** http or https. */
  readonly url: URL
  /** PEM of the CAs that it is trusted by, instead of the system's. */
  readonly ca: string | undefined
}

const CONNECT_MS = 5_000
const ANSWER_MS = 10_000
/** How a repository says that there is no newer root: static stores without the right to list answer 403. */
const ABSENT: ReadonlySet<number> = new Set([403, 404])

/**
 * A repository behind http or https. Nothing but its own host is ever asked: a redirect is an answer like any other
 * that is not 200. The transport is not what is trusted; every byte is verified afterwards.
 */
export function openMirror({ url, ca }: MirrorOptions): Mirror {
  const base = url.pathname.endsWith('/') ? url : new URL(`${url.href}/`)
  const timeouts = { connectMs: CONNECT_MS, headersMs: ANSWER_MS, bodyMs: ANSWER_MS }
  const trust: DialTrust = ca === undefined ? { kind: 'system' } : { kind: 'only', ca }
  const dial = openDial({ origin: base, trust, clientCertificate: undefined, timeouts, maxConnections: 8 })
  return {
    name: url.href,
    async get(path, maxBytes, signal) {
      const target = new URL(path, base)
      if (target.origin !== base.origin || !target.pathname.startsWith(base.pathname)) {
        throw new TufError('MIRROR', `${path} is not below ${url.href}`)
      }
      const headers = { accept: '*/*', 'accept-encoding': 'identity' }
      try {
        const answer = await dial.send({ method: 'GET', url: target, headers, signal })
        if (answer.status === 200) return Buffer.from(await readBounded(answer.body, maxBytes, path))
        answer.body.destroy()
        if (ABSENT.has(answer.status)) return undefined
        throw new TufError('MIRROR', `${base.host} answered ${path} with status ${answer.status}`)
      } catch (cause) {
        if (cause instanceof TufError) throw cause
        const why = cause instanceof UpstreamError ? cause.message : `${base.host} broke off its answer`
        throw new TufError('MIRROR', signal.aborted ? `${base.host} did not give ${path} in time` : why, { cause })
      }
    },
    close: () => dial.close(),
  }
}
