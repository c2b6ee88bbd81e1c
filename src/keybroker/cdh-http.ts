import type { Readable } from 'node:stream'
import { Agent } from 'undici'
import { abortError, checkResource, failureOf, MAX_RESOURCE_BYTES, type Failure, type KeyBroker } from './broker.ts'
import { asKbs } from './default-resources.ts'
import { codeOf } from './grpc-address.ts'
import { peerText } from './peer-text.ts'
import { kbsPath, type Parsed } from './resource.ts'

const MAX_HEADER_BYTES = 16 * 1024
const MAX_ERROR_BYTES = 4096
const CONNECTIONS = 16
const OK = 200
const REDIRECTS = 300
const ERRORS = 400

/** Parses `http://127.0.0.1:8006`: an origin and nothing more. */
export function parseHttpAddress(text: string): Parsed<URL> {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    return { ok: false, problem: 'the address is not of the form http://host:port' }
  }
  if (url.username !== '' || url.password !== '') return { ok: false, problem: 'the address has a user name in it' }
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    return { ok: false, problem: `the address has something after ${url.origin}` }
  }
  return { ok: true, value: url }
}

/**
 * The confidential-data-hub through api-server-rest: GET /cdh/resource/repository/type/tag. It answers 500 to every
 * failure, and takes no caller but a local one. Nothing is followed, repeated, decoded or taken from a proxy.
 *
 * @param timeoutMs of a call, from dialling to the last byte
 */
export function openCdhHttp({ origin, timeoutMs }: { readonly origin: URL; readonly timeoutMs: number }): KeyBroker {
  const agent = new Agent({
    connections: CONNECTIONS,
    pipelining: 1,
    maxHeaderSize: MAX_HEADER_BYTES,
    connect: { timeout: timeoutMs },
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
  })
  const name = `cdh at ${origin.origin}`
  return {
    async get(resource, signal) {
      const failure = failureOf(resource, name)
      const kbs = asKbs(resource)
      if (!kbs.ok) throw failure('BAD_NAME', kbs.problem)
      const deadline = AbortSignal.timeout(timeoutMs)
      let speaksHttp = false
      try {
        const { statusCode, headers, body } = await agent.request({
          origin: origin.origin,
          path: `/cdh/resource${kbsPath(kbs.value)}`,
          method: 'GET',
          headers: { accept: 'application/octet-stream' },
          signal: AbortSignal.any([signal, deadline]),
        })
        speaksHttp = true
        if (statusCode !== OK) throw await statusFailure(statusCode, body, failure)
        if (headers['content-encoding'] !== undefined) {
          body.on('error', () => undefined).destroy()
          throw failure('BAD_ANSWER', 'the answer is compressed, which was not asked for')
        }
        const read = await readAtMost(body, MAX_RESOURCE_BYTES)
        if (read.more) throw failure('TOO_LARGE', `more than ${MAX_RESOURCE_BYTES} bytes`)
        return checkResource(read.bytes, failure)
      } catch (error) {
        if (signal.aborted) throw abortError(signal, failure)
        throw socketFailure(error, failure, { speaksHttp })
      }
    },
    describe: () => name,
    close: () => void agent.destroy(),
  }
}

async function statusFailure(code: number, body: Readable, failure: Failure): Promise<Error> {
  const { bytes } = await readAtMost(body, MAX_ERROR_BYTES)
  const said = `HTTP ${code} ${peerText(new TextDecoder().decode(bytes))}`
  if (code < REDIRECTS) return failure('BAD_ANSWER', `answered HTTP ${code} where 200 was expected`)
  if (code < ERRORS) return failure('BAD_ANSWER', `answered HTTP ${code}, a redirect, which is not followed`)
  if (code === 403) return failure('REFUSED', `answered ${said} (api-server-rest answers local callers only)`)
  if (code === 404) return failure('REFUSED', `answered ${said} (is it api-server-rest, with the feature "resource"?)`)
  return failure('REFUSED', `answered ${said} (unknown names and a broken broker look alike)`)
}

async function readAtMost(
  body: Readable,
  maxBytes: number,
): Promise<{ readonly bytes: Uint8Array; readonly more: boolean }> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of body) {
      const bytes = Buffer.from(chunk)
      chunks.push(bytes)
      length += bytes.byteLength
      if (length > maxBytes) break
    }
  } finally {
    body.on('error', () => undefined).destroy()
  }
  return { bytes: Buffer.concat(chunks).subarray(0, maxBytes), more: length > maxBytes }
}

const TIMEOUTS: ReadonlySet<string> = new Set([
  'TimeoutError',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'ETIMEDOUT',
])

function socketFailure(cause: unknown, failure: Failure, { speaksHttp }: { readonly speaksHttp: boolean }): Error {
  if (!(cause instanceof Error) || cause.name === 'KeyBrokerError') return toError(cause)
  const code = codeOf(cause)
  // A DOMException has a number for its code, and says what it is in its name.
  if (TIMEOUTS.has(code) || TIMEOUTS.has(cause.name)) return failure('TIMED_OUT', 'no answer in time', { cause })
  const unreadable = code.startsWith('HPE_') || cause.name === 'HTTPParserError'
  if (unreadable && !speaksHttp) {
    const what = `does not speak HTTP/1.1 (${code}): a gRPC port? Then configure kind: cdh-grpc`
    return failure('WRONG_GENERATION', what, { cause })
  }
  if (unreadable || code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH' || code === 'UND_ERR_HEADERS_OVERFLOW') {
    return failure('BAD_ANSWER', `the answer is broken (${code})`, { cause })
  }
  return failure('NOT_REACHABLE', `cannot be reached (${code})`, { cause })
}

function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}
