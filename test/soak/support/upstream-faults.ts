import type { IncomingMessage, ServerResponse } from 'node:http'
import type { EvilRegistry, Script } from '../../support/evil-registry.ts'
import { answer, delayed, drip, hangUp, notHttp, silence, truncated } from '../../support/faults.ts'
import type { Blob } from '../../support/signer.ts'

/** How many of a hundred requests that reach the registry meet a fault. */
const PERCENT = 6
/**
 * Faults that hold all who ask: a manifest that drips, until its time is over, and a 429 that says when to come again,
 * until then. So there is seldom more than one of each. Milliseconds.
 */
const BETWEEN: Readonly<Record<string, number>> = { 'endless drip': 10_000, 'status 429': 10_000 }
const PIECES = 20
const PIECE_MS = 25

type Held = { readonly blob: Blob; readonly contentType: string; readonly isLieable: boolean }

/** Faults of the upstream: one for some of the requests, by chance, while they are on. */
export class UpstreamFaults {
  on = true
  /** By name, how many were injected. */
  readonly counts: Map<string, number> = new Map()
  readonly #registry: EvilRegistry
  /** Digests of images' own manifests and blobs: what a client or the gate can tell to be wrong by its digest. */
  readonly #digests: ReadonlySet<string>
  readonly #lastAt = new Map<string, number>()

  constructor(registry: EvilRegistry, digests: ReadonlySet<string>) {
    this.#registry = registry
    this.#digests = digests
    // Before every rule of the registry's own, but those that were put there for one image alone.
    registry.script = (request, response) => this.#handle(request, response)
  }

  get total(): number {
    return [...this.counts.values()].reduce((sum, count) => sum + count, 0)
  }

  #handle(request: IncomingMessage, response: ServerResponse): boolean {
    // What was asked is of no use here, and ten minutes of it are many.
    this.#registry.requests.length = 0
    this.#registry.headers.length = 0
    if (!this.on || Math.random() * 100 >= PERCENT) return false
    const now = performance.now()
    const isDue = (name: string): boolean => now - (this.#lastAt.get(name) ?? -Infinity) >= (BETWEEN[name] ?? 0)
    const faults = faultsFor(this.#held(request)).filter(([name]) => isDue(name))
    const [name, script] = faults[Math.floor(Math.random() * faults.length)] ?? ['500', answer(500)]
    this.#lastAt.set(name, now)
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1)
    return script(request, response)
  }

  #held({ url = '', headers }: IncomingMessage): Held | undefined {
    const [, repository, kind, name = ''] = /^\/v2\/(.+)\/(manifests|blobs)\/([^/?]+)$/.exec(url) ?? []
    const blob = (kind === 'manifests' ? this.#registry.manifests : this.#registry.blobs).get(`${repository} ${name}`)
    if (blob === undefined) return undefined
    // Nobody but the client can check a part of a blob: it has the digest of the whole (docs/security.md, 126).
    const isLieable = this.#digests.has(name) && headers.range === undefined
    return { blob, contentType: kind === 'manifests' ? blob.mediaType : 'application/octet-stream', isLieable }
  }
}

/** The faults that there are for a request; what is named twice comes twice as often. */
function faultsFor(held: Held | undefined): readonly (readonly [name: string, script: Script])[] {
  const always = [
    ['status 500', answer(500, {}, 'oops')],
    ['status 502', answer(502, { 'content-type': 'text/html' }, '<h1>Bad Gateway</h1>')],
    ['status 503', answer(503, { 'retry-after': 1 })],
    ['status 429', answer(429, { 'retry-after': 1 })],
    ['reset', hangUp],
    ['reset', hangUp],
    ['late reset', delayed(100, hangUp)],
    ['not http', notHttp],
    ['silence', silence],
  ] as const
  if (held === undefined) return always
  const { bytes } = held.blob
  const headers = { 'content-type': held.contentType }
  const served = [
    ['cut in half', truncated(bytes, 'hang-up', headers)],
    ['half, then silence', truncated(bytes, 'silence', headers)],
    ['endless drip', drip(50, headers)],
    ['slow but whole', slowly(bytes, headers)],
    ['slow but whole', slowly(bytes, headers)],
  ] as const
  if (!held.isLieable) return [...always, ...served]
  return [...always, ...served, ['wrong bytes', answer(200, headers, lie(bytes))]]
}

/** The right bytes, in pieces with pauses between them. */
function slowly(bytes: Buffer, headers: Readonly<Record<string, string>>): Script {
  return (request, response) => {
    if (request.headers.range !== undefined || request.method !== 'GET') return false
    response.writeHead(200, { ...headers, 'content-length': bytes.length })
    const size = Math.ceil(bytes.length / PIECES)
    let sent = 0
    const timer = setInterval(() => {
      response.write(bytes.subarray(sent, sent + size))
      sent += size
      if (sent < bytes.length) return
      clearInterval(timer)
      response.end()
    }, PIECE_MS)
    response.on('close', () => clearInterval(timer))
    return true
  }
}

/** As long as the truth, and one bit off. */
function lie(bytes: Buffer): Buffer {
  const wrong = Buffer.from(bytes)
  const at = Math.floor(Math.random() * wrong.length)
  wrong[at] = (wrong[at] ?? 0) ^ 1
  return wrong
}
