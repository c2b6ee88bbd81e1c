import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { imageOf, payloadOf, sigManifest, signatureLayer, sigTag, type Blob, type Signer } from './signer.ts'

type Teardown = { readonly teardown: (handler: () => unknown) => void }

/** Answers a request by itself, or returns false to let the honest registry do it. */
export type Script = (request: IncomingMessage, response: ServerResponse) => boolean

/** A registry in memory that can be made to lie: honest unless a script says otherwise. */
export class EvilRegistry {
  /** By `<repository> <tag or digest>`. */
  readonly manifests: Map<string, Blob> = new Map()
  /** By `<repository> <digest>`. */
  readonly blobs: Map<string, Blob> = new Map()
  /** `GET /v2/…`, in the order of arrival. */
  readonly requests: string[] = []
  readonly headers: IncomingMessage['headers'][] = []
  script: Script = () => false
  url = ''

  /** Puts a manifest, and what it names, under its digest and the tags given. */
  put(
    repository: string,
    thing: { readonly manifest: Blob; readonly blobs: readonly Blob[] },
    ...tags: readonly string[]
  ): Blob {
    for (const name of [thing.manifest.digest, ...tags]) this.manifests.set(`${repository} ${name}`, thing.manifest)
    for (const blob of thing.blobs) this.blobs.set(`${repository} ${blob.digest}`, blob)
    return thing.manifest
  }

  /** Puts an image under a tag, with a signature as `cosign sign` makes it, claiming the repository under `host`. */
  putSigned(repository: string, tag: string, signer: Signer, host: string): Blob {
    const manifest = this.put(repository, imageOf(`${repository}:${tag}`), tag)
    this.sign(repository, manifest, signer, `${host}/${repository}`)
    return manifest
  }

  sign(repository: string, manifest: Blob, signer: Signer, claim: string): void {
    const layer = signatureLayer(signer, payloadOf(manifest.digest, claim))
    this.put(repository, sigManifest([layer]), sigTag(manifest.digest))
  }

  /** How often something was asked for: `manifests/latest`. */
  count(ending: string): number {
    return this.requests.filter(request => request.endsWith(ending)).length
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    this.requests.push(`${request.method} ${request.url}`)
    this.headers.push(request.headers)
    if (this.script(request, response)) return
    const [, repository, kind, name] = /^\/v2\/(.+)\/(manifests|blobs)\/([^/?]+)/.exec(request.url ?? '') ?? []
    const held = (kind === 'manifests' ? this.manifests : this.blobs).get(`${repository} ${name}`)
    if (held === undefined) {
      response.writeHead(404, { 'content-type': 'application/json' }).end('{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')
      return
    }
    sendBytes(
      response,
      held.bytes,
      kind === 'manifests' ? held.mediaType : 'application/octet-stream',
      request.headers.range,
    )
  }
}

function sendBytes(response: ServerResponse, bytes: Buffer, contentType: string, range: string | undefined): void {
  const match = /^bytes=(\d+)-(\d*)$/.exec(range ?? '')
  if (match === null) {
    response.writeHead(200, { 'content-type': contentType, 'content-length': bytes.length }).end(bytes)
    return
  }
  const first = Number(match[1])
  const part = bytes.subarray(first, match[2] === '' ? undefined : Number(match[2]) + 1)
  const headers = {
    'content-length': part.length,
    'content-range': `bytes ${first}-${first + part.length - 1}/${bytes.length}`,
  }
  response.writeHead(206, headers).end(part)
}

/** Starts one; it stops when the test is over. */
export async function startEvilRegistry(t: Teardown): Promise<EvilRegistry> {
  const registry = new EvilRegistry()
  const server = createServer((request, response) => registry.handle(request, response))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  registry.url = `http://127.0.0.1:${port}`
  return registry
}
