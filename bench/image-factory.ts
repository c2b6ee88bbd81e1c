import { createPrivateKey, sign } from 'node:crypto'
import { createServer } from 'node:http'
import { isDigest, type Digest } from '../src/reference/digest.ts'
import {
  imageOf,
  OCI_MANIFEST,
  payloadOf,
  sigManifest,
  signatureLayer,
  sigTag,
  type Blob,
} from '../test/support/signer.ts'

/**
 * A registry that makes a signed image for whatever tag it is asked for: `image-factory.ts PORT`, the key in BENCH_KEY. It
 * keeps only what its caller is about to ask for, so that its own memory is not the machine's trouble.
 */
const key = createPrivateKey({
  key: Buffer.from(process.env['BENCH_KEY'] ?? '', 'base64'),
  format: 'der',
  type: 'pkcs8',
})
const signer = { publicPem: '', sign: (payload: Uint8Array) => sign('sha256', payload, key) }
const KEPT = 5000
const blobs = new Map<string, Blob>()

function keep(blob: Blob): void {
  blobs.set(blob.digest, blob)
  const oldest = blobs.keys().next().value
  if (blobs.size > KEPT && oldest !== undefined) blobs.delete(oldest)
}

function signatureOf(digest: Digest): Blob {
  const { manifest, blobs: parts } = sigManifest([signatureLayer(signer, payloadOf(digest, 'example.org/test'))])
  for (const part of parts) keep(part)
  return manifest
}

function find(path: string): Blob | undefined {
  const [, kind, reference = ''] = /^\/v2\/test\/(manifests|blobs)\/(.+)$/.exec(path) ?? []
  if (kind === 'blobs') return blobs.get(reference)
  if (kind !== 'manifests') return undefined
  const digest = `sha256:${/^sha256-([0-9a-f]{64})\.sig$/.exec(reference)?.[1] ?? ''}`
  if (isDigest(digest) && reference === sigTag(digest)) return signatureOf(digest)
  return /^i[0-9]+$/.test(reference) ? imageOf(reference).manifest : undefined
}

createServer((request, response) => {
  const blob = find(request.url ?? '')
  if (blob === undefined) return void response.writeHead(404).end()
  const type = blob.mediaType === OCI_MANIFEST ? OCI_MANIFEST : 'application/octet-stream'
  response.writeHead(200, { 'content-type': type, 'content-length': blob.size }).end(blob.bytes)
}).listen(Number(process.argv[2]), '127.0.0.1')
