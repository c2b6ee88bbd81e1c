import type { LookupFunction } from 'node:net'
import { rootCertificates } from 'node:tls'
import type { Readable } from 'node:stream'
import { Agent } from 'undici'
import { connectForLargeReads } from './large-reads.ts'
import { checkLiteralHost, guardedLookup, type ResolveAll } from './resolved-address.ts'
import { UpstreamError } from './upstream-error.ts'

export type DialTimeouts = {
  /** Milliseconds, each. */
  readonly connectMs: number
  readonly headersMs: number
  /** Between two pieces of a body. */
  readonly bodyMs: number
}

export type DialRequest = {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  /** Streamed as the upstream takes it, and then gone: a request with a stream cannot be sent a second time. */
  readonly body?: Readable | Uint8Array | undefined
  readonly signal: AbortSignal
}

export type DialAnswer = {
  readonly status: number
  readonly header: (name: string) => string | undefined
  readonly body: Readable
}

/** PEM, both. */
export type ClientCertificate = { readonly cert: string; readonly key: string }

/** Whose certificates are taken; `ca` is PEM. */
export type DialTrust =
  | { readonly kind: 'system' }
  /** The registry's own origin is held to these only; hosts that it points at may also have one of the system's. */
  | { readonly kind: 'only'; readonly ca: string }
  /** These beside the system's, as containers-certs.d(5) has it. */
  | { readonly kind: 'also'; readonly ca: readonly string[] }

export type DialOptions = {
  readonly origin: URL
  readonly trust: DialTrust
  /** For the registry's own origin only. */
  readonly clientCertificate: ClientCertificate | undefined
  readonly timeouts: DialTimeouts
  /** To each origin. */
  readonly maxConnections: number
  /** How names of other hosts than the registry's own are looked up; the system's way if absent. */
  readonly resolveAll?: ResolveAll | undefined
}

/** Sends one request as it is: nothing is followed, repeated, cached or decoded. */
export type Dial = {
  readonly send: (request: DialRequest) => Promise<DialAnswer>
  readonly close: () => Promise<void>
}

const UPLOAD_ANSWER_MS = 300_000
const MAX_HEADER_BYTES = 64 * 1024

/**
 * Sockets for one upstream and the hosts it may point at. Pools are per origin and never shared between upstreams: what
 * one of them leaves in a socket is read by nobody else (case 160). Where another host than the upstream's own may lie is
 * checked at every connect (case 158). The callers' signals bound a whole exchange.
 */
export function openDial({
  origin,
  trust,
  clientCertificate,
  timeouts,
  maxConnections,
  resolveAll,
}: DialOptions): Dial {
  const agentWith = (
    trusted: readonly string[] | undefined,
    own: ClientCertificate | undefined,
    lookup: LookupFunction | undefined,
  ): Agent => {
    const connect = {
      timeout: timeouts.connectMs,
      ...(trusted === undefined ? {} : { ca: [...trusted] }),
      ...(own === undefined ? {} : { cert: own.cert, key: own.key }),
      ...(lookup === undefined ? {} : { lookup }),
    }
    return new Agent({
      connections: maxConnections,
      pipelining: 1,
      // One exchange a socket: HTTP/2 would share one among repositories, and its windows hold a large blob back.
      allowH2: false,
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: timeouts.headersMs,
      bodyTimeout: timeouts.bodyMs,
      // TLS is read in records, of 16 KiB at most.
      connect: origin.protocol === 'http:' && lookup === undefined ? connectForLargeReads(connect) : connect,
    })
  }
  const { atHome, elsewhere } = trustedAt(trust)
  const own = agentWith(atHome, clientCertificate, undefined)
  const foreign = agentWith(elsewhere, undefined, guardedLookup(origin, resolveAll))
  return {
    async send({ method, url, headers, body: sent, signal }) {
      const agent = url.origin === origin.origin ? own : foreign
      if (agent === foreign) checkLiteralHost(url)
      try {
        const {
          statusCode,
          headers: answered,
          body,
        } = await agent.request({
          origin: url.origin,
          path: `${url.pathname}${url.search}`,
          method,
          headers: { ...headers },
          // A registry puts a large upload together before it answers.
          ...(sent === undefined ? {} : { body: sent, headersTimeout: UPLOAD_ANSWER_MS }),
          signal,
        })
        // Whoever reads the body is given its error. A body that nobody wants is destroyed unread, and undici says so by an
        // error event: without a listener every such answer (a 404 for a .sig tag) would end the process.
        body.on('error', () => undefined)
        return {
          status: statusCode,
          header: name => {
            const value = answered[name]
            return Array.isArray(value) ? value.join(', ') : value
          },
          body,
        }
      } catch (cause) {
        throw dialError(cause, url)
      }
    },
    async close() {
      await Promise.all([own.destroy(), foreign.destroy()])
    },
  }
}

type Trusted = readonly string[] | undefined

/** undefined: the system's, as Node has them. */
function trustedAt(trust: DialTrust): { readonly atHome: Trusted; readonly elsewhere: Trusted } {
  switch (trust.kind) {
    case 'system':
      return { atHome: undefined, elsewhere: undefined }
    case 'only':
      return { atHome: [trust.ca], elsewhere: [...rootCertificates, trust.ca] }
    case 'also': {
      const all = [...rootCertificates, ...trust.ca]
      return { atHome: all, elsewhere: all }
    }
  }
}

const TIMEOUTS: ReadonlySet<unknown> = new Set([
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'ETIMEDOUT',
])

const BROKEN: ReadonlySet<string> = new Set(['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'UND_ERR_HEADERS_OVERFLOW'])

/** An error of a socket in the words of this folder. Only the host is named: a path may hold what a client sent. */
export function dialError(cause: unknown, url: Pick<URL, 'host'>): UpstreamError {
  if (cause instanceof UpstreamError) return cause
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  const name = cause instanceof Error ? cause.name : ''
  if (name === 'TimeoutError' || TIMEOUTS.has(code))
    return new UpstreamError('TIMED_OUT', `${url.host} did not answer in time`, { cause })
  const said = typeof code === 'string' ? code : name
  if (name === 'HTTPParserError' || BROKEN.has(said)) {
    return new UpstreamError('BAD_ANSWER', `${url.host} sent a broken answer (${said})`, { cause })
  }
  return new UpstreamError('UNREACHABLE', `${url.host} cannot be reached (${said})`, { cause })
}
