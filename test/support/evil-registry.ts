import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { imageOf, OCI_INDEX, payloadOf, sigManifest, signatureLayer, sigTag, type Blob, type Signer } from './signer.ts'

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
  /** Who may come in: see registry-guard.ts. Asked after the scripts, so that those may lie about it. */
  guard: Script = () => false
  /** Whether it has the referrers API of distribution-spec 1.1; without, it answers 404 as distribution 2.8 does. */
  hasReferrersApi = false
  url = ''
  readonly #rules: { readonly matches: RegExp; readonly script: Script }[] = []

  /** Lets a script answer what matches `GET /v2/…`; the newest one that wants to answer does. */
  on(matches: RegExp, script: Script): void {
    this.#rules.unshift({ matches, script })
  }

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
    const target = `${request.method} ${request.url}`
    if (this.#rules.some(({ matches, script }) => matches.test(target) && script(request, response))) return
    if (this.script(request, response) || this.guard(request, response)) return
    if (request.url === '/v2/') return void response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    if (this.#list(request, response)) return
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

  /** The lists: of tags in pages, and of what refers to a manifest. */
  #list(request: IncomingMessage, response: ServerResponse): boolean {
    const url = new URL(request.url ?? '', 'http://registry')
    const [, repository = '', kind, subject = ''] =
      /^\/v2\/(.+)\/(tags\/list|referrers\/(.+))$/.exec(url.pathname) ?? []
    if (kind === undefined || (kind !== 'tags/list' && !this.hasReferrersApi)) return false
    const manifests = [...this.manifests].filter(([key]) => key.startsWith(`${repository} `))
    if (manifests.length === 0) return false
    if (kind === 'tags/list') {
      const names = manifests.map(([key]) => key.slice(repository.length + 1)).filter(name => !name.includes(':'))
      const rest = names.sort().filter(name => name > (url.searchParams.get('last') ?? ''))
      const tags = rest.slice(0, Number(url.searchParams.get('n') ?? rest.length))
      const next = `</v2/${repository}/tags/list?n=${tags.length}&last=${tags.at(-1)}>; rel="next"`
      const headers = { 'content-type': 'application/json', ...(tags.length < rest.length ? { link: next } : {}) }
      response.writeHead(200, headers).end(JSON.stringify({ name: repository, tags }))
      return true
    }
    const found = new Map<string, object>()
    for (const [, { mediaType, digest, size, bytes }] of manifests) {
      const manifest = JSON.parse(bytes.toString())
      const artifactType = manifest.artifactType ?? manifest.config?.mediaType
      if (manifest.subject?.digest === decodeURIComponent(subject))
        found.set(digest, { mediaType, digest, size, artifactType, annotations: manifest.annotations })
    }
    const body = JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [...found.values()] })
    response.writeHead(200, { 'content-type': OCI_INDEX }).end(body)
    return true
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

/** PEM, as test/support/certificates.ts makes them. With `clientCa` only clients that it knows are let in. */
export type TlsFiles = { readonly cert: string; readonly key: string; readonly clientCa?: string }

/** Starts one, over HTTPS if it is given a certificate; it stops when the test is over. */
export async function startEvilRegistry(t: Teardown, { tls }: { readonly tls?: TlsFiles } = {}): Promise<EvilRegistry> {
  const registry = new EvilRegistry()
  const listener = (request: IncomingMessage, response: ServerResponse): void => registry.handle(request, response)
  const mutual = tls?.clientCa === undefined ? {} : { ca: tls.clientCa, requestCert: true, rejectUnauthorized: true }
  const server =
    tls === undefined ? createServer(listener) : createTlsServer({ cert: tls.cert, key: tls.key, ...mutual }, listener)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  registry.url = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`
  return registry
}
