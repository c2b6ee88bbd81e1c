import type { IncomingMessage } from 'node:http'
import { MAX_MANIFEST_BYTES } from '../../manifest/manifest.ts'
import type { PushContent, PushRequest, UploadSession } from '../../upstream/push-client.ts'
import type { ErrorAnswer } from '../oci-error.ts'
import type { PushableRequest } from './answer-push.ts'

/** What a request asks of the upstream, or why it cannot be asked. */
export type PushPlan =
  { readonly ok: true; readonly request: PushRequest } | { readonly ok: false; readonly answer: ErrorAnswer }

/**
 * Reads a request that changes a registry: its method and place, and a manifest whole, which is small; a blob stays a stream.
 * distribution-spec 1.1, "Push" and "Content Management".
 *
 * @param openToken gives the session of an upload's token, or undefined if there is none
 */
export async function pushRequestOf(
  parsed: PushableRequest,
  raw: IncomingMessage,
  signal: AbortSignal,
  openToken: (token: string) => UploadSession | undefined,
): Promise<PushPlan> {
  const common = { repository: parsed.target.repository, signal }
  const { method = '' } = raw
  switch (parsed.kind) {
    case 'manifest': {
      const { reference } = parsed
      if (method === 'DELETE') return plan({ ...common, step: 'delete-manifest', reference })
      if (method !== 'PUT') return notAllowed('GET, HEAD, PUT, DELETE')
      const bytes = await readManifest(raw)
      if (bytes === undefined) return TOO_LARGE
      return plan({ ...common, step: 'put-manifest', reference, bytes, contentType: raw.headers['content-type'] })
    }
    case 'blob':
      if (method !== 'DELETE') return notAllowed('GET, HEAD, DELETE')
      return plan({ ...common, step: 'delete-blob', digest: parsed.digest })
    case 'uploads': {
      const { digest, mount, from } = parsed
      if (method !== 'POST') return notAllowed('POST')
      if (mount !== undefined) return plan({ ...common, step: 'mount-blob', digest: mount, from })
      return plan({ ...common, step: 'start-upload', digest, content: contentOf(raw) })
    }
    case 'upload': {
      const session = openToken(parsed.token)
      if (session === undefined) return UNKNOWN_UPLOAD
      switch (method) {
        case 'GET':
          return plan({ ...common, step: 'upload-status', session })
        case 'DELETE':
          return plan({ ...common, step: 'cancel-upload', session })
        case 'PATCH':
          return plan({ ...common, step: 'upload-chunk', session, content: contentOf(raw) })
        case 'PUT':
          if (parsed.digest === undefined) return NO_DIGEST
          return plan({ ...common, step: 'finish-upload', session, digest: parsed.digest, content: contentOf(raw) })
        default:
          return notAllowed('GET, PATCH, PUT, DELETE')
      }
    }
  }
}

/** The body as it comes; undefined where the client says that there is none. */
function contentOf(raw: IncomingMessage): PushContent | undefined {
  const { headers } = raw
  const contentLength = headers['content-length']
  const isEmpty = contentLength === '0' || (contentLength === undefined && headers['transfer-encoding'] === undefined)
  if (isEmpty) return undefined
  return { body: raw, contentType: headers['content-type'], contentLength, contentRange: headers['content-range'] }
}

async function readManifest(raw: IncomingMessage): Promise<Uint8Array | undefined> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of raw) {
    const bytes = Buffer.from(chunk)
    length += bytes.byteLength
    // What is larger could never be pulled through this gate again.
    if (length > MAX_MANIFEST_BYTES) return undefined
    chunks.push(bytes)
  }
  return Buffer.concat(chunks, length)
}

function plan(request: PushRequest): PushPlan {
  return { ok: true, request }
}

function refused(answer: ErrorAnswer): PushPlan {
  return { ok: false, answer }
}

function notAllowed(allow: string): PushPlan {
  return refused({ status: 405, code: 'UNSUPPORTED', message: 'no such method here', headers: { allow } })
}

const TOO_LARGE = refused({
  status: 413,
  code: 'SIZE_INVALID',
  message: `a manifest has at most ${MAX_MANIFEST_BYTES} bytes`,
})
const UNKNOWN_UPLOAD = refused({ status: 404, code: 'BLOB_UPLOAD_UNKNOWN', message: 'there is no such upload' })
const NO_DIGEST = refused({ status: 400, code: 'DIGEST_INVALID', message: 'an upload ends with its digest' })
