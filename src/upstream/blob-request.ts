import { mayRedirectTo, type AllowedHosts } from './allowed-hosts.ts'
import type { Dial, DialAnswer } from './dial.ts'
import { letGo } from './let-go.ts'
import { resolveRange } from './byte-range.ts'
import type { RegistryClient } from './registry-client.ts'
import { statusError } from './status-error.ts'
import { UpstreamError } from './upstream-error.ts'
import type { OpenBlobOptions, OpenedBlob } from './upstream.ts'

export type BlobRoute = {
  readonly client: RegistryClient
  readonly dial: Dial
  readonly hosts: AllowedHosts
  /** The repository, as the upstream calls it. */
  readonly path: string
}

const MAX_REDIRECTS = 5
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/**
 * Asks for a blob and follows redirects here, never the client: each hop is held against the configuration, and gets
 * headers made anew. Once the registry's own origin is left no hop gets credentials any more, not even one that leads
 * back: where that goes was for another host to say (cases 156, 157, 159).
 */
export async function openBlobAt(
  route: BlobRoute,
  url: URL,
  options: OpenBlobOptions,
): Promise<OpenedBlob | undefined> {
  const { method, range, signal } = options
  const headers = { accept: '*/*', 'accept-encoding': 'identity', ...(range === undefined ? {} : { range }) }
  const { upstream } = route.hosts
  let answer = await route.client.send({ path: route.path, actions: 'pull' }, { method, url, headers, signal })
  let at = url
  let isHome = true
  for (let hops = 0; REDIRECTS.has(answer.status); hops += 1) {
    letGo(answer.body)
    if (hops === MAX_REDIRECTS) throw new UpstreamError('BAD_ANSWER', `${upstream.host} redirects without end`)
    at = nextHop(answer, at, route.hosts)
    const request = { method, url: at, headers, signal }
    isHome &&= at.origin === upstream.origin
    answer = isHome
      ? await route.client.send({ path: route.path, actions: 'pull' }, request)
      : await route.dial.send(request)
  }
  if (answer.status >= 400 && answer.status !== 404 && !(answer.status === 416 && range !== undefined)) {
    throw isHome
      ? await route.client.refusal(route.path, answer, 'a blob')
      : await statusError(answer, { host: at.host, what: 'a blob', secrets: [] })
  }
  return openedBlob(answer, at, options)
}

function nextHop(answer: DialAnswer, at: URL, hosts: AllowedHosts): URL {
  const location = answer.header('location')
  const next = location === undefined ? null : URL.parse(location, at)
  if (next === null) throw new UpstreamError('BAD_ANSWER', `${at.host} redirects to nowhere`)
  if (!mayRedirectTo(next, hosts)) {
    throw new UpstreamError('BLOCKED', `${at.host} redirects to ${next.host}, which is not among its redirectHosts`)
  }
  return next
}

function openedBlob(answer: DialAnswer, at: URL, { method, range }: OpenBlobOptions): OpenedBlob | undefined {
  const { status, body } = answer
  if (status === 404) {
    letGo(body)
    return undefined
  }
  const length = answer.header('content-length')
  const encoding = answer.header('content-encoding')
  const headers: Record<string, string> = { 'accept-ranges': 'bytes' }
  if (length !== undefined && /^[0-9]{1,15}$/.test(length)) headers['content-length'] = length
  if (status === 416 && range !== undefined) {
    letGo(body)
    const total = /^bytes \*\/([0-9]+)$/.exec(answer.header('content-range') ?? '')?.[1]
    return { status: 416, headers: total === undefined ? {} : { 'content-range': `bytes */${total}` }, body: undefined }
  }
  if (status !== 200 && !(status === 206 && range !== undefined)) {
    body.destroy()
    throw new UpstreamError('BAD_ANSWER', `${at.host} answered ${status} for a blob`, { status })
  }
  if (encoding !== undefined && encoding !== '' && encoding.toLowerCase() !== 'identity') {
    body.destroy()
    throw new UpstreamError('BAD_ANSWER', `${at.host} sent a blob encoded, though asked not to`)
  }
  if (method === 'HEAD') {
    letGo(body)
    return { status: 200, headers, body: undefined }
  }
  if (status === 200) return { status, headers, body }
  headers['content-range'] = checkedContentRange(answer, at, range)
  return { status: 206, headers, body }
}

/** A part must be the part that was asked for, of the length it has (case 207). */
function checkedContentRange(answer: DialAnswer, at: URL, range: string | undefined): string {
  const text = answer.header('content-range') ?? ''
  const [, first = '', last = '', total = ''] =
    /^bytes ([0-9]{1,15})-([0-9]{1,15})\/(?:([0-9]{1,15})|\*)$/.exec(text) ?? []
  const [, wantedFirst = '', wantedLast = ''] = /^bytes=([0-9]*)-([0-9]*)$/.exec(range ?? '') ?? []
  const length = answer.header('content-length')
  const fits =
    first !== '' &&
    Number(last) >= Number(first) &&
    (total === '' || Number(last) < Number(total)) &&
    (wantedFirst !== '' || isSuffix(range ?? '', { first, last, total })) &&
    (wantedFirst === '' || wantedFirst === first) &&
    (wantedFirst === '' || wantedLast === '' || Number(last) <= Number(wantedLast)) &&
    (length === undefined || Number(length) === Number(last) - Number(first) + 1)
  if (fits) return text
  answer.body.destroy()
  throw new UpstreamError('BAD_ANSWER', `${at.host} sent another part of a blob than was asked for`)
}

/** Whether these are the last bytes that were asked for; where the whole has no length nobody can tell. */
function isSuffix(
  range: string,
  part: { readonly first: string; readonly last: string; readonly total: string },
): boolean {
  const wanted = part.total === '' ? 'unsatisfiable' : resolveRange(range, Number(part.total))
  return wanted !== 'unsatisfiable' && wanted.first === Number(part.first) && wanted.last === Number(part.last)
}
