import { imageOf, payloadOf, sigManifest, signatureLayer, sigTag } from '../../test/support/signer.ts'
import { pushBlob, pushManifest, type Bench } from '../bench.ts'
import { isInstalled } from '../programs.ts'
import type { Row } from '../table.ts'

const SECONDS = 3

/** A manifest whose verdict is at hand, by digest, against nginx in front of the same upstream. */
export async function cachedManifests(bench: Bench, runs: number): Promise<Row> {
  const work = 'manifest by digest, verdict cached'
  const mustBe = { bound: '≥', value: 1 } as const
  if (!isInstalled('nginx')) {
    return { work, unit: '1/s', ours: [Number.NaN], peer: { name: 'nginx', absent: 'not installed' }, mustBe }
  }
  const image = imageOf('bench').manifest
  const signatures = sigManifest([signatureLayer(bench.signer, payloadOf(image.digest, 'example.org/test'))])
  const file = { repository: 'test', kind: 'manifests' } as const
  const upstream = await bench.startStaticRegistry('manifests', [
    { ...file, reference: image.digest, blob: image },
    { ...file, reference: sigTag(image.digest), blob: signatures.manifest },
    ...signatures.blobs.map(blob => ({ ...file, kind: 'blobs', reference: blob.digest, blob }) as const),
  ])
  const proxy = await bench.startNginx(
    'manifests-proxy',
    `upstream up { server ${upstream.replace('http://', '')}; keepalive 64; } server { LISTEN; location / { proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; } }`,
  )
  const gate = await bench.startGate(upstream)
  const path = `/v2/test/manifests/${image.digest}`
  await bench.load.requestsPerSecond(gate.url + path, 1)
  const measured = { ours: [] as number[], peer: [] as number[] }
  for (let round = 0; round < runs; round += 1) {
    measured.ours.push(await bench.load.requestsPerSecond(gate.url + path, SECONDS))
    measured.peer.push(await bench.load.requestsPerSecond(proxy + path, SECONDS))
  }
  const peer = { name: 'nginx proxy_pass, one worker', runs: measured.peer }
  return { work, unit: '1/s', ours: measured.ours, peer, mustBe }
}

/** A manifest by tag, which is believed for a second, against the CNCF registry as a pull-through cache. */
export async function manifestsByTag(bench: Bench, runs: number): Promise<Row> {
  const work = 'manifest by tag, tag fresh for a second'
  const mustBe = { bound: '≥', value: 20 } as const
  const name = 'registry as pull-through cache'
  if (!isInstalled('docker-registry')) {
    return { work, unit: '1/s', ours: [Number.NaN], peer: { name, absent: 'not installed' }, mustBe }
  }
  const origin = await bench.startRegistry('origin')
  await pushSigned(bench, origin, 'bench', 'latest')
  const cache = await bench.startRegistry('cache', origin)
  const gate = await bench.startGate(origin)
  const path = '/v2/test/manifests/latest'
  await bench.load.requestsPerSecond(gate.url + path, 1)
  const measured = { ours: [] as number[], peer: [] as number[] }
  for (let round = 0; round < runs; round += 1) {
    measured.ours.push(await bench.load.requestsPerSecond(gate.url + path, SECONDS))
    measured.peer.push(await bench.load.requestsPerSecond(cache + path, SECONDS))
  }
  return { work, unit: '1/s', ours: measured.ours, peer: { name, runs: measured.peer }, mustBe }
}

/** An image with its `.sig` in a real registry, as repository `test`. */
export async function pushSigned(bench: Bench, registry: string, salt: string, tag: string): Promise<void> {
  const image = imageOf(salt)
  const signatures = sigManifest([signatureLayer(bench.signer, payloadOf(image.manifest.digest, 'example.org/test'))])
  for (const blob of [...image.blobs, ...signatures.blobs]) await pushBlob(registry, 'test', blob)
  await pushManifest(registry, 'test', tag, image.manifest)
  await pushManifest(registry, 'test', sigTag(image.manifest.digest), signatures.manifest)
}
