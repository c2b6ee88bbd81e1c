import type { IncomingMessage } from 'node:http'
import { buffer } from 'node:stream/consumers'
import type { EvilRegistry } from './evil-registry.ts'
import { blobOf } from './signer.ts'

/** What has arrived of an upload. */
export type Uploads = Map<string, Buffer>

/** Makes a registry in memory take pushes and deletions, as distribution does: uploads in chunks, mounts, manifests. */
export function takePushes(registry: EvilRegistry): Uploads {
  const uploads: Uploads = new Map()
  let opened = 0
  registry.on(/^(?:POST|PATCH|PUT|DELETE) |^GET \S+\/blobs\/uploads\//, (request, response) => {
    void answer(request)
      .then(({ status, headers }) => response.writeHead(status, headers).end())
      .catch(() => response.destroy())
    return true
  })

  async function answer(request: IncomingMessage): Promise<{ status: number; headers?: Record<string, string> }> {
    const url = new URL(request.url ?? '', registry.url)
    const [, repository = '', kind = '', name = ''] =
      /^\/v2\/(.+)\/(blobs\/uploads|manifests|blobs)\/(.*)$/.exec(url.pathname) ?? []
    const { method = 'GET' } = request
    const location = (id: string): string => `${registry.url}/v2/${repository}/blobs/uploads/${id}?_state=secret-${id}`
    if (kind === 'manifests' && method === 'PUT') {
      const manifest = blobOf(await buffer(request), request.headers['content-type'])
      for (const key of [manifest.digest, name]) registry.manifests.set(`${repository} ${key}`, manifest)
      return { status: 201, headers: { location: '/elsewhere', 'oci-subject': 'sha256:abc', 'set-cookie': 'a=b' } }
    }
    if (method === 'DELETE' && kind !== 'blobs/uploads') {
      const held = kind === 'manifests' ? registry.manifests : registry.blobs
      return { status: held.delete(`${repository} ${name}`) ? 202 : 404 }
    }
    if (method === 'POST') {
      const mount = url.searchParams.get('mount')
      const mounted = registry.blobs.get(`${url.searchParams.get('from')} ${mount}`)
      if (mounted !== undefined) {
        registry.blobs.set(`${repository} ${mount}`, mounted)
        return { status: 201, headers: { location: `/v2/${repository}/blobs/${mount}` } }
      }
      const digest = url.searchParams.get('digest')
      if (digest !== null) return finish(repository, digest, await buffer(request))
      opened += 1
      uploads.set(`u${opened}`, Buffer.alloc(0))
      return { status: 202, headers: { location: location(`u${opened}`), 'docker-upload-uuid': `u${opened}` } }
    }
    const already = uploads.get(name)
    if (already === undefined || url.searchParams.get('_state') !== `secret-${name}`) return { status: 404 }
    const range = (length: number): string => `0-${Math.max(length - 1, 0)}`
    switch (method) {
      case 'GET':
        return { status: 204, headers: { location: location(name), range: range(already.length) } }
      case 'DELETE':
        uploads.delete(name)
        return { status: 204 }
      case 'PATCH': {
        const whole = Buffer.concat([already, await buffer(request)])
        uploads.set(name, whole)
        return { status: 202, headers: { location: location(name), range: range(whole.length) } }
      }
      default: {
        const whole = Buffer.concat([already, await buffer(request)])
        uploads.delete(name)
        return finish(repository, url.searchParams.get('digest') ?? '', whole)
      }
    }
  }

  function finish(
    repository: string,
    digest: string,
    bytes: Buffer,
  ): { status: number; headers?: Record<string, string> } {
    const blob = blobOf(bytes)
    if (blob.digest !== digest) return { status: 400 }
    registry.blobs.set(`${repository} ${digest}`, blob)
    return { status: 201, headers: { location: `/v2/${repository}/blobs/${digest}` } }
  }

  return uploads
}
