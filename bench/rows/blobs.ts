import { blobOf, imageOf, payloadOf, sigManifest, signatureLayer, sigTag } from '../../test/support/signer.ts'
import type { Bench } from '../bench.ts'
import { download, isInstalled, megabytesPerSecond, residentMiB } from '../programs.ts'
import type { Row } from '../table.ts'

const MIB = 1024 * 1024
const STREAMS = 10
const WARM_ROUNDS = 10

/** A large blob against nginx, the memory it takes, and what ten of them do to whoever wants a manifest meanwhile. */
export async function blobs(bench: Bench, runs: number): Promise<readonly Row[]> {
  const rows = {
    speed: { work: '200 MB blob', unit: 'MB/s', mustBe: { bound: '≥', value: 0.9 } },
    memory: { work: 'memory grown by these blobs', unit: 'MiB', peer: undefined, mustBe: { bound: '≤', value: 32 } },
    beside: {
      work: `p99 of cached manifests while ${STREAMS} such blobs stream`,
      unit: 'ms',
      mustBe: { bound: '≤', value: 3 },
    },
    besideNginx: {
      work: `the same p99 beside ${STREAMS} such blobs, against nginx's`,
      unit: 'ms',
      mustBe: { bound: '≤', value: 1 },
    },
  } as const
  if (!isInstalled('nginx') || !isInstalled('curl')) {
    const peer = { name: 'nginx proxy_pass', absent: 'nginx or curl not installed' }
    return [{ ...rows.speed, ours: [Number.NaN], peer }]
  }
  const image = imageOf('bench').manifest
  const signatures = sigManifest([signatureLayer(bench.signer, payloadOf(image.digest, 'example.org/test'))])
  const large = blobOf(Buffer.alloc(200 * MIB, 0x1f))
  const file = { repository: 'test', kind: 'manifests' } as const
  const upstream = await bench.startStaticRegistry('blobs', [
    { ...file, reference: image.digest, blob: image },
    { ...file, reference: sigTag(image.digest), blob: signatures.manifest },
    ...[...signatures.blobs, large].map(blob => ({ ...file, kind: 'blobs', reference: blob.digest, blob }) as const),
  ])
  const proxy = await bench.startNginx(
    'blobs-proxy',
    `upstream up { server ${upstream.replace('http://', '')}; keepalive 64; } server { LISTEN; location / { proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; } }`,
  )
  const gate = await bench.startGate(upstream)
  const manifest = `${gate.url}/v2/test/manifests/${image.digest}`
  const path = `/v2/test/blobs/${large.digest}`
  // What a gate at work has taken already is not the blobs'.
  await bench.load.requestsPerSecond(manifest, 2)
  const before = residentMiB(gate.pid)
  const speed = { ours: [] as number[], peer: [] as number[] }
  // The first two GB of a process are up to a third slower, until V8 has compiled what moves them.
  for (let round = 0; round < WARM_ROUNDS; round += 1) {
    for (const base of [gate.url, proxy]) await megabytesPerSecond(base + path)
  }
  for (let round = 0; round < runs * 4; round += 1) {
    speed.ours.push(await megabytesPerSecond(gate.url + path))
    speed.peer.push(await megabytesPerSecond(proxy + path))
  }
  const grown = residentMiB(gate.pid) - before
  const p99Beside = async (base: string): Promise<number> => {
    const ends = new AbortController()
    const streams = Array.from({ length: STREAMS }, () => download(base + path, ends.signal))
    const p99 = await bench.load.p99Milliseconds(manifest.replace(gate.url, base), 3)
    ends.abort()
    await Promise.all(streams)
    return p99
  }
  const alone: number[] = []
  const beside: number[] = []
  const nginx: number[] = []
  for (let round = 0; round < runs; round += 1) {
    alone.push(await bench.load.p99Milliseconds(manifest, 3))
    beside.push(await p99Beside(gate.url))
    nginx.push(await p99Beside(proxy))
  }
  return [
    { ...rows.speed, ours: speed.ours, peer: { name: 'nginx proxy_pass', runs: speed.peer } },
    { ...rows.memory, ours: [grown] },
    { ...rows.beside, ours: beside, peer: { name: 'the same without', runs: alone } },
    { ...rows.besideNginx, ours: beside, peer: { name: 'nginx proxy_pass', runs: nginx } },
  ]
}
