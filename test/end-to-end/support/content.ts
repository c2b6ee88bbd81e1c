import { createHash } from 'node:crypto'

/** What was put into a repository, as the conformance suite wants it told: each of it must be there to be pulled. */
export interface Content {
  readonly tags: readonly string[]
  readonly manifests: readonly string[]
  readonly blobs: readonly string[]
  /** Manifests that others refer to. */
  readonly subjects: readonly string[]
}

type Descriptor = { readonly mediaType: string; readonly digest: string; readonly size: number }

const TYPES = {
  image: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
  empty: 'application/vnd.oci.empty.v1+json',
} as const

/**
 * Puts two images, an index of them and an artifact about the first into `repository` of the registry at `host` (plain
 * HTTP, no login). The same bytes each time, so two registries hold the same content under the same digests.
 */
export async function putContent(host: string, repository: string): Promise<Content> {
  const base = `http://${host}/v2/${repository}`
  const blobs: string[] = []

  const blob = async (mediaType: string, text: string): Promise<Descriptor> => {
    const bytes = Buffer.from(text)
    const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length }
    const upload = await fetch(`${base}/blobs/uploads/`, { method: 'POST' })
    await expect(upload, 202)
    const location = new URL(upload.headers.get('location') ?? '', base)
    location.searchParams.set('digest', descriptor.digest)
    const headers = { 'content-type': 'application/octet-stream' }
    await expect(await fetch(location, { method: 'PUT', headers, body: bytes }), 201)
    blobs.push(descriptor.digest)
    return descriptor
  }
  const manifest = async (mediaType: string, content: object, tag?: string): Promise<Descriptor> => {
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...content }))
    const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length }
    const url = `${base}/manifests/${tag ?? descriptor.digest}`
    await expect(await fetch(url, { method: 'PUT', headers: { 'content-type': mediaType }, body: bytes }), 201)
    return descriptor
  }
  const image = async (architecture: string): Promise<Descriptor> => {
    const layer = await blob(TYPES.layer, `a layer for ${architecture}`)
    const rootfs = { type: 'layers', diff_ids: [layer.digest] }
    const config = await blob(TYPES.config, JSON.stringify({ architecture, os: 'linux', rootfs }))
    return manifest(TYPES.image, { config, layers: [layer] }, architecture)
  }

  const amd64 = await image('amd64')
  const arm64 = await image('arm64')
  const index = await manifest(TYPES.index, { manifests: [amd64, arm64] }, 'both')
  const empty = await blob(TYPES.empty, '{}')
  const about = { artifactType: 'application/vnd.example', config: empty, layers: [empty], subject: amd64 }
  const artifact = await manifest(TYPES.image, about)
  return {
    tags: ['amd64', 'arm64', 'both'],
    manifests: [amd64, arm64, index, artifact].map(({ digest }) => digest),
    blobs,
    subjects: [amd64.digest],
  }
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

async function expect(response: Response, status: number): Promise<void> {
  const text = await response.text()
  if (response.status !== status) throw new Error(`${response.url}: ${response.status}, not ${status}: ${text}`)
}
