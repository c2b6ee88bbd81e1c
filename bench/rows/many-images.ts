import { setTimeout as sleep } from 'node:timers/promises'
import { join } from 'node:path'
import { Agent } from 'undici'
import { writeFileSync } from 'node:fs'
import { generateKeyPairSync } from 'node:crypto'
import type { Bench } from '../bench.ts'
import { freePort, residentMiB, start } from '../programs.ts'
import type { Row } from '../table.ts'

const IMAGES = 100_000
const AT_ONCE = 32

/** As many distinct signed images, each pulled once: what the gate's memory is afterwards. */
export async function manyImages(bench: Bench): Promise<Row> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  writeFileSync(bench.publicKey, publicKey.export({ type: 'spki', format: 'pem' }))
  const port = await freePort()
  // The key goes by the environment of a child and nowhere else; both end with this run.
  const key = privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64')
  await start(process.execPath, [join(import.meta.dirname, '../image-factory.ts'), String(port)], port, {
    BENCH_KEY: key,
  })
  const gate = await bench.startGate(`http://127.0.0.1:${port}`)
  const agent = new Agent({ connections: AT_ONCE })
  let next = 0
  const pull = async (): Promise<void> => {
    while (next < IMAGES) {
      const tag = `i${next}`
      next += 1
      const { statusCode, body } = await agent.request({
        origin: gate.url,
        path: `/v2/test/manifests/${tag}`,
        method: 'GET',
      })
      const text = await body.text()
      if (statusCode !== 200) throw new Error(`${tag}: ${statusCode} ${text}`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, pull))
  await agent.close()
  await sleep(2000)
  return {
    work: `${IMAGES.toLocaleString('en')} distinct images judged`,
    unit: 'MiB resident after',
    ours: [residentMiB(gate.pid)],
    peer: undefined,
    mustBe: { bound: '≤', value: 256 },
  }
}
