import { createServer } from 'node:http'
import { EvilRegistry } from '../../test/support/evil-registry.ts'
import type { Bench, Gate } from '../bench.ts'
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

/** A key-signed image in a real registry: the gate's first verdict against `cosign verify` as a process. */
export async function coldVerdict(bench: Bench, runs: number): Promise<Row> {
  const work = 'cold verdict of a key-signed image'
  const mustBe = { bound: '≤', value: 0.1 } as const
  const cosign = cosignProgram()
  if (!isInstalled('docker-registry') || cosign === undefined) {
    const absent = cosign === undefined ? 'cosign not installed' : 'docker-registry not installed'
    return { work, unit: 'ms', ours: [Number.NaN], peer: { name: 'cosign verify', absent }, mustBe }
  }
  const origin = await bench.startRegistry('cold-origin')
  const gate = await bench.startGate(origin)
  const rounds = runs * 5
  // The gate has judged something before: what is measured is a cold image and not a cold process.
  await pushSigned(bench, origin, 'warm', 'warm')
  await millisecondsOf(gate, 'warm')
  const ours: number[] = []
  const peers: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    await pushSigned(bench, origin, `cold${round}`, `cold${round}`)
    ours.push(await millisecondsOf(gate, `cold${round}`))
    const image = `${new URL(origin).host}/test:cold${round}`
    const flags = ['--key', bench.publicKey, '--insecure-ignore-tlog', '--allow-insecure-registry']
    peers.push(1000 * (await secondsOf(cosign.path, ['verify', ...flags, image])))
  }
  return { work, unit: 'ms', ours, peer: { name: `cosign verify (${cosign.name})`, runs: peers }, mustBe }
}

async function millisecondsOf(gate: Gate, tag: string): Promise<number> {
  const begun = performance.now()
  const answer = await fetch(`${gate.url}/v2/test/manifests/${tag}`)
  const body = await answer.text()
  if (answer.status !== 200) throw new Error(`${tag}: ${answer.status} ${body}`)
  return performance.now() - begun
}
