import type { Readable } from 'node:stream'
import type { Digest } from '../reference/digest.ts'
import type { Repository, Tag } from '../reference/repository.ts'
import { readBounded } from './bounded-body.ts'
import type { DialAnswer, DialRequest } from './dial.ts'
import { MAX_ERROR_BYTES } from './error-list.ts'
import type { RegistryClient } from './registry-client.ts'
import type { Access } from './token-client.ts'
import { UpstreamError } from './upstream-error.ts'

/**
 * What changes a registry: the push side of distribution-spec 1.1, each part of it parsed. Where an upload session goes on is
 * the upstream's to say; `session` is what it said, and only this folder makes one.
 */
export type PushRequest = { readonly repository: Repository; readonly signal: AbortSignal } & (
  | { readonly step: 'start-upload'; readonly digest: Digest | undefined; readonly content: PushContent | undefined }
  | { readonly step: 'mount-blob'; readonly digest: Digest; readonly from: Repository | undefined }
  | { readonly step: 'upload-status'; readonly session: UploadSession }
  | { readonly step: 'upload-chunk'; readonly session: UploadSession; readonly content: PushContent | undefined }
  | {
      readonly step: 'finish-upload'
      readonly session: UploadSession
      readonly digest: Digest
      readonly content: PushContent | undefined
    }
  | { readonly step: 'cancel-upload'; readonly session: UploadSession }
  | {
      readonly step: 'put-manifest'
      readonly reference: Tag | Digest
      readonly bytes: Uint8Array
      readonly contentType: string | undefined
    }
  | { readonly step: 'delete-manifest'; readonly reference: Tag | Digest }
  | { readonly step: 'delete-blob'; readonly digest: Digest }
)

/** Bytes on their way, with the headers that go with them. */
export type PushContent = {
  readonly body: Readable
  readonly contentType: string | undefined
  readonly contentLength: string | undefined
  readonly contentRange: string | undefined
}

/** Path and query at the upstream. */
export type UploadSession = string

export type PushAnswer = {
  readonly status: number
  /** Range, Docker-Upload-UUID, OCI-Subject and OCI-Chunk-Min-Length, and no others. */
  readonly headers: Readonly<Record<string, string>>
  /** Where the upload goes on, if it does. */
  readonly session: UploadSession | undefined
}

export type Push = (request: PushRequest) => Promise<PushAnswer>

export type PushClientOptions = {
  readonly client: RegistryClient
  readonly origin: URL
  readonly pathOf: (repository: Repository) => string
}

const PASSED: readonly string[] = ['range', 'docker-upload-uuid', 'oci-subject', 'oci-chunk-min-length']
/** What a registry refuses in its own words; everything else is an UpstreamError with a meaning of its own. */
const OWN_WORDS: ReadonlySet<number> = new Set([400, 404, 405, 409, 411, 412, 413, 415, 416, 422])

/**
 * Passes a push on to a registry.
 *
 * @returns an answer that is a success
 * @throws UpstreamError, PUSH_REFUSED with the registry's status and words where it refuses
 */
export function openPush({ client, origin, pathOf }: PushClientOptions): Push {
  return async request => {
    const path = pathOf(request.repository)
    const answer = await client.send(accessOf(request, pathOf), toDial(request, pathOf, origin))
    if (answer.status < 200 || answer.status > 299) {
      const refused = await client.refusal(path, answer, `a push (${request.step})`)
      if (!OWN_WORDS.has(answer.status)) throw refused
      const { status, complaints } = refused
      throw new UpstreamError('PUSH_REFUSED', refused.message, { status, complaints })
    }
    await readBounded(answer.body, MAX_ERROR_BYTES, 'the answer to a push')
    const headers: Record<string, string> = {}
    for (const name of PASSED) {
      const value = answer.header(name)
      if (value !== undefined && /^[\x21-\x7e]{1,200}$/.test(value)) headers[name] = value
    }
    return { status: answer.status, headers, session: sessionOf(request, answer, origin) }
  }
}

function accessOf(request: PushRequest, pathOf: (repository: Repository) => string): Access {
  const path = pathOf(request.repository)
  switch (request.step) {
    case 'delete-manifest':
    case 'delete-blob':
      return { path, actions: 'delete' }
    case 'mount-blob':
      return { path, actions: 'pull,push', mountFrom: request.from && pathOf(request.from) }
    case 'start-upload':
    case 'upload-status':
    case 'upload-chunk':
    case 'finish-upload':
    case 'cancel-upload':
    case 'put-manifest':
      return { path, actions: 'pull,push' }
  }
}

/** Rebuilt from parsed parts alone; nothing of a client's URL gets here (section 7.6). */
function toDial(request: PushRequest, pathOf: (repository: Repository) => string, origin: URL): DialRequest {
  const { signal } = request
  const base = `/v2/${pathOf(request.repository)}`
  const at = (path: string, query: Readonly<Record<string, string>> = {}): URL => {
    // Joined and not resolved: a session's path may begin with two slashes, and would name another host.
    const url = new URL(`${origin.origin}${path}`)
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
    return url
  }
  const none = { headers: { accept: '*/*' }, signal }
  switch (request.step) {
    case 'start-upload': {
      const url = at(`${base}/blobs/uploads/`, request.digest === undefined ? {} : { digest: request.digest })
      return { method: 'POST', url, ...streamed(request.content), signal }
    }
    case 'mount-blob': {
      const from = request.from && { from: pathOf(request.from) }
      const query = { mount: request.digest, ...from }
      return { method: 'POST', url: at(`${base}/blobs/uploads/`, query), ...streamed(undefined), signal }
    }
    case 'upload-status':
      return { method: 'GET', url: at(request.session), ...none }
    case 'upload-chunk':
      return { method: 'PATCH', url: at(request.session), ...streamed(request.content), signal }
    case 'finish-upload': {
      const url = at(request.session, { digest: request.digest })
      return { method: 'PUT', url, ...streamed(request.content), signal }
    }
    case 'cancel-upload':
      return { method: 'DELETE', url: at(request.session), ...none }
    case 'put-manifest': {
      const headers = request.contentType === undefined ? {} : { 'content-type': request.contentType }
      return { method: 'PUT', url: at(`${base}/manifests/${request.reference}`), headers, body: request.bytes, signal }
    }
    case 'delete-manifest':
      return { method: 'DELETE', url: at(`${base}/manifests/${request.reference}`), ...none }
    case 'delete-blob':
      return { method: 'DELETE', url: at(`${base}/blobs/${request.digest}`), ...none }
  }
}

function streamed(content: PushContent | undefined): Pick<DialRequest, 'headers' | 'body'> {
  if (content === undefined) return { headers: { 'content-length': '0' } }
  const headers = {
    'content-type': content.contentType ?? 'application/octet-stream',
    ...(content.contentLength === undefined ? {} : { 'content-length': content.contentLength }),
    ...(content.contentRange === undefined ? {} : { 'content-range': content.contentRange }),
  }
  return { headers, body: content.body }
}

/** Only uploads under way go on, and only at the registry itself: another host is not what was configured (case 169). */
function sessionOf(request: PushRequest, answer: DialAnswer, origin: URL): UploadSession | undefined {
  if (answer.status !== 202 && answer.status !== 204) return undefined
  if (!['start-upload', 'mount-blob', 'upload-status', 'upload-chunk'].includes(request.step)) return undefined
  const location = answer.header('location')
  if (location === undefined) return 'session' in request ? request.session : undefined
  const url = URL.parse(location, origin)
  if (url === null || url.username !== '' || url.password !== '') {
    throw new UpstreamError('BAD_ANSWER', `${origin.host} sends an upload on to nowhere`)
  }
  if (url.origin !== origin.origin) {
    throw new UpstreamError(
      'BLOCKED',
      `${origin.host} sends an upload on to ${url.host}, and uploads go to itself only`,
    )
  }
  return `${url.pathname}${url.search}`
}
