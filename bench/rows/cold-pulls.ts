import { createServer } from 'node:http'
import { EvilRegistry } from '../../test/support/evil-registry.ts'
import { imageOf, payloadOf, sigManifest, signatureLayer, sigTag } from '../../test/support/signer.ts'
import type { Bench, Gate, StaticFile } from '../bench.ts'
import { cosignProgram, isInstalled, secondsOf } from '../programs.ts'
import type { Row } from '../table.ts'
import { pushSigned } from './manifests.ts'

const CLIENTS = 2000

/** Pulls of images that the gate has not seen: round trips in a row, and what a herd asks of the upstream. */
export async function coldPulls(bench: Bench, runs: number): Promise<readonly Row[]> {
  const registry = new EvilRegistry()
  const distance = { ms: 100 }
  const server = createServer(
    (request, response) => void setTimeout(() => registry.handle(request, response), distance.ms),
  )
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const gate = await bench.startGate(`http://127.0.0.1:${address.port}`)
  const far: number[] = []
  for (let round = 0; round < runs; round += 1) {
    registry.putSigned('test', `far${round}`, bench.signer, 'example.org')
    far.push((await millisecondsOf(gate, `far${round}`)) / distance.ms)
  }
  const herd = registry.putSigned('test', 'herd', bench.signer, 'example.org')
  distance.ms = 50
  registry.requests.length = 0
  const statuses = await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      const answer = await fetch(`${gate.url}/v2/test/manifests/${herd.digest}`)
      await answer.arrayBuffer()
      return answer.status
    }),
  )
  const other = statuses.filter(status => status !== 200)
  if (other.length > 0) throw new Error(`${other.length} of the herd got ${String(other[0])}`)
  const most = Math.max(...new Map(registry.requests.map(path => [path, registry.count(path)])).values())
  server.closeAllConnections()
  server.close()
  return [
    {
      work: 'cold verdict, upstream 100 ms away',
      unit: 'round trips in a row',
      ours: far,
      peer: undefined,
      mustBe: { bound: '≤', value: 3.5 },
    },
    {
      work: `${CLIENTS.toLocaleString('en')} clients at once on one cold image`,
      unit: 'most requests of one thing upstream',
      ours: [most],
      peer: undefined,
      mustBe: { bound: '≤', value: 1 },
    },
  ]
}

/** So many images are judged first: what is measured is a cold image, and not a process that has just begun. */
const WARM = 400

/**
 * A key-signed image: the gate's first verdict against `cosign verify` as a process. From a registry that answers at once, which is
 * what the two themselves take, and from docker-registry, whose own time is in both.
 */
export async function coldVerdicts(bench: Bench, runs: number): Promise<readonly Row[]> {
  const work = 'cold verdict of a key-signed image'
  const real = `${work}, from docker-registry`
  const cosign = cosignProgram()
  if (!isInstalled('docker-registry') || !isInstalled('nginx') || cosign === undefined) {
    const absent = cosign === undefined ? 'cosign not installed' : 'docker-registry or nginx not installed'
    const row = { unit: 'ms', ours: [Number.NaN], peer: { name: 'cosign verify', absent }, mustBe: AIM }
    return [
      { work, ...row },
      { work: real, ...row },
    ]
  }
  const count = WARM + runs * 5
  const tags = Array.from({ length: count }, (_, index) => `cold${index}`)
  const quick = await bench.startStaticRegistry(
    'cold',
    tags.flatMap(tag => signedFiles(bench, tag)),
  )
  const slow = await bench.startRegistry('cold-origin')
  for (const tag of tags) await pushSigned(bench, slow, tag, tag)
  return [
    await coldVerdict(bench, { work, origin: quick, tags, cosign }),
    await coldVerdict(bench, { work: real, origin: slow, tags, cosign }),
  ]
}

const AIM = { bound: '≤', value: 0.1 } as const

type ColdOptions = {
  readonly work: string
  readonly origin: string
  readonly tags: readonly string[]
  readonly cosign: NonNullable<ReturnType<typeof cosignProgram>>
}

async function coldVerdict(bench: Bench, { work, origin, tags, cosign }: ColdOptions): Promise<Row> {
  const gate = await bench.startGate(origin)
  for (const tag of tags.slice(0, WARM)) await millisecondsOf(gate, tag)
  const ours: number[] = []
  const peers: number[] = []
  for (const tag of tags.slice(WARM)) {
    ours.push(await millisecondsOf(gate, tag))
    const flags = ['--key', bench.publicKey, '--insecure-ignore-tlog', '--allow-insecure-registry']
    const image = `${new URL(origin).host}/test:${tag}`
    peers.push(1000 * (await secondsOf(cosign.path, ['verify', ...flags, image])))
  }
  return { work, unit: 'ms', ours, peer: { name: `cosign verify (${cosign.name})`, runs: peers }, mustBe: AIM }
}

/** A signed image as files of a static registry. */
function signedFiles(bench: Bench, tag: string): readonly StaticFile[] {
  const { manifest } = imageOf(tag)
  const signatures = sigManifest([signatureLayer(bench.signer, payloadOf(manifest.digest, 'example.org/test'))])
  const file = { repository: 'test', kind: 'manifests' } as const
  return [
    { ...file, reference: tag, blob: manifest },
    { ...file, reference: manifest.digest, blob: manifest },
    { ...file, reference: sigTag(manifest.digest), blob: signatures.manifest },
    ...signatures.blobs.map(blob => ({ ...file, kind: 'blobs', reference: blob.digest, blob }) as const),
  ]
}

async function millisecondsOf(gate: Gate, tag: string): Promise<number> {
  const begun = performance.now()
  const answer = await fetch(`${gate.url}/v2/test/manifests/${tag}`)
  const body = await answer.text()
  if (answer.status !== 200) throw new Error(`${tag}: ${answer.status} ${body}`)
  return performance.now() - begun
}
