import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { request, type Dispatcher } from 'undici'
import { UpstreamError } from './upstream-error.ts'

export type LookasideLimits = {
  /** How many `signature-N` are read; containers/image gives up at 128. */
  readonly maxSignatures: number
  /** Bytes of one; containers/image reads up to 4 MiB. */
  readonly maxSignatureBytes: number
  /** Bytes of all of them, so that one image cannot take the memory of the others. */
  readonly maxTotalBytes: number
  /** Milliseconds for the whole list. */
  readonly timeoutMs: number
}

export const DEFAULT_LOOKASIDE_LIMITS: LookasideLimits = {
  maxSignatures: 128,
  maxSignatureBytes: 4 * 1024 * 1024,
  maxTotalBytes: 16 * 1024 * 1024,
  timeoutMs: 10_000,
}

/** `untrustedBytes` of one file, or why it can never be used. */
export type LookasideFile =
  { readonly name: string; readonly untrustedBytes: Uint8Array } | { readonly name: string; readonly problem: string }

export type LookasideList = {
  readonly files: readonly LookasideFile[]
  /** Why the list could not be read to its end, which is never "no signature"; `files` is what came before. */
  readonly failure: UpstreamError | undefined
  /** What was passed over because of a limit, one line each. */
  readonly leftOut: readonly string[]
}

/**
 * Reads `signature-1`, `signature-2` and so on out of a lookaside directory until there is no next one:
 * docs/signature-protocols.md of containers/image; there is no other way to list them. What was read before a failure is
 * returned with it, since one good signature is enough. The configuration chose the host, and no answer may choose
 * another one.
 *
 * @param location `https://…`, `http://…` or `file:///…`, without a slash at the end
 * @param signal ends the reading with a failure, as the deadline of `limits` does
 */
export async function readLookaside(args: {
  readonly location: string
  readonly signal: AbortSignal
  readonly limits: LookasideLimits
  readonly dispatcher?: Dispatcher
}): Promise<LookasideList> {
  const { location, limits } = args
  const signal = AbortSignal.any([args.signal, AbortSignal.timeout(limits.timeoutMs)])
  const readOne = location.startsWith('file:') ? readFileOnce : readHttpOnce
  const files: LookasideFile[] = []
  let total = 0
  for (let index = 1; ; index += 1) {
    const name = `signature-${index}`
    const maxBytes = Math.min(limits.maxSignatureBytes, limits.maxTotalBytes - total)
    if (index > limits.maxSignatures || maxBytes <= 0) {
      return {
        files,
        failure: undefined,
        leftOut: [`${location} has ${index - 1} signatures or more; no more were read`],
      }
    }
    let read: ReadOne
    try {
      read = await readOne({ url: `${location}/${name}`, maxBytes, signal, dispatcher: args.dispatcher })
    } catch (error) {
      return { files, failure: toUpstreamError(error, `${location}/${name}`, signal), leftOut: [] }
    }
    if (read.found === 'nothing') return { files, failure: undefined, leftOut: [] }
    if (read.found === 'too much') files.push({ name, problem: `has more than ${maxBytes} bytes` })
    else files.push({ name, untrustedBytes: read.bytes })
    total += read.found === 'bytes' ? read.bytes.byteLength : maxBytes
  }
}

type ReadOne =
  | { readonly found: 'nothing' }
  | { readonly found: 'too much' }
  | { readonly found: 'bytes'; readonly bytes: Uint8Array }

type ReadOneArgs = {
  readonly url: string
  readonly maxBytes: number
  readonly signal: AbortSignal
  readonly dispatcher: Dispatcher | undefined
}

const MAX_REDIRECTS = 3
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

async function readHttpOnce({ url, maxBytes, signal, dispatcher }: ReadOneArgs): Promise<ReadOne> {
  let current = new URL(url)
  for (let redirects = 0; ; redirects += 1) {
    const response = await request(current, {
      signal,
      headers: { 'accept-encoding': 'identity' },
      ...(dispatcher === undefined ? {} : { dispatcher }),
    })
    const { statusCode, headers, body } = response
    if (statusCode === 200) return readBody(body, headers['content-type'], maxBytes)
    await body.dump({ limit: 64 * 1024, signal })
    if (statusCode === 404) return { found: 'nothing' }
    const target = REDIRECTS.has(statusCode) ? redirectTarget(headers['location'], current) : undefined
    if (target === undefined || redirects === MAX_REDIRECTS) {
      throw new UpstreamError(
        statusCode === 429 ? 'RATE_LIMITED' : 'SERVER_ERROR',
        `${url} answered with status ${statusCode}`,
      )
    }
    // A redirect to elsewhere would let a lookaside choose whom the gate talks to.
    if (target.origin !== current.origin) {
      throw new UpstreamError('BLOCKED', `${url} redirects to another host, ${target.host}`)
    }
    current = target
  }
}

function redirectTarget(location: string | string[] | undefined, base: URL): URL | undefined {
  return typeof location === 'string' && URL.canParse(location, base) ? new URL(location, base) : undefined
}

async function readBody(
  body: Dispatcher.ResponseData['body'],
  contentType: string | string[] | undefined,
  maxBytes: number,
): Promise<ReadOne> {
  const chunks: Buffer[] = []
  let length = 0
  // Leaving the loop destroys the stream: no more is read than this.
  for await (const chunk of body) {
    const bytes = Buffer.from(chunk)
    length += bytes.byteLength
    if (length > maxBytes) return { found: 'too much' }
    chunks.push(bytes)
  }
  const bytes = Buffer.concat(chunks)
  const isHtml = typeof contentType === 'string' && /^text\/html\s*(?:;|$)/i.test(contentType.trim())
  return isHtml && !isBinary(bytes) ? { found: 'nothing' } : { found: 'bytes', bytes }
}

/**
 * Some servers answer 200 with a page for what they do not have (case 84): that is the end of the list. But a file
 * without extension may be called HTML by a server that guesses; a signature never begins like a text.
 */
function isBinary(bytes: Uint8Array): boolean {
  const [first] = bytes
  return first !== undefined && (first === 0 || first >= 0x80)
}

async function readFileOnce({ url, maxBytes, signal }: ReadOneArgs): Promise<ReadOne> {
  signal.throwIfAborted()
  let file
  try {
    // Not blocking: a named pipe without a writer would hold the reader for ever.
    file = await open(fileURLToPath(url), constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    // Only that: a loop of links, a directory without permission and the rest are failures (case 86).
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return { found: 'nothing' }
    throw error
  }
  try {
    const stat = await file.stat()
    if (!stat.isFile()) throw new UpstreamError('UNREACHABLE', `${url} is not a regular file`)
    const buffer = Buffer.alloc(Math.min(stat.size, maxBytes) + 1)
    let length = 0
    while (length < buffer.byteLength) {
      const { bytesRead } = await file.read(buffer, length, buffer.byteLength - length, length)
      if (bytesRead === 0) return { found: 'bytes', bytes: buffer.subarray(0, length) }
      length += bytesRead
    }
    return { found: 'too much' }
  } finally {
    await file.close()
  }
}

function toUpstreamError(error: unknown, url: string, signal: AbortSignal): UpstreamError {
  if (error instanceof UpstreamError) return error
  if (signal.aborted) return new UpstreamError('TIMED_OUT', `reading ${url} was given up`, { cause: error })
  const detail = error instanceof Error && 'code' in error ? String(error.code) : 'a broken answer'
  return new UpstreamError('UNREACHABLE', `${url} cannot be read: ${detail}`, { cause: error })
}
