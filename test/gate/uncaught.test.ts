import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { startEvilRegistry } from '../support/evil-registry.ts'
import { temporaryDirectory, writePolicy } from '../support/gate.ts'
import { startProgram } from '../support/program.ts'
import { ecdsaSigner, imageOf } from '../support/signer.ts'
import { get, signedPolicy } from './scene.ts'

t.test('case 216: what nobody catches ends the program, and with it every answer', async t => {
  const registry = await startEvilRegistry(t)
  const directory = temporaryDirectory(t)
  registry.put('test', imageOf('unsigned'), '1')
  writeFileSync(join(directory, 'cosign.pub'), ecdsaSigner().publicPem)
  writePolicy(directory, signedPolicy('cosign.pub'))
  const config = join(directory, 'sealgate.yaml')
  writeFileSync(
    config,
    `listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\npolicy: policy.json\nregistries:\n  example.org: { url: "${registry.url}" }\n`,
  )
  const rows = [
    { it: 'a rejection', fault: 'Promise.reject(new Error("nobody listens"))' },
    { it: 'an exception', fault: 'throw new Error("nobody listens")' },
  ]
  for (const { it, fault } of rows) {
    const flags = ['--import', `data:text/javascript,process.on("SIGUSR2", () => { ${fault} })`]
    const { child, url, output } = await startProgram(t, config, flags)
    const closed = new Promise<unknown>(resolve => child.once('close', resolve))
    t.equal((await get(`${url}/v2/example.org/test/manifests/1`)).status, 403, `${it}: before`)
    child.kill('SIGUSR2')
    t.equal(await Promise.race([closed, sleep(20_000, 'it goes on', { ref: false })]), 1, `${it}: it fails`)
    t.match(output(), /nobody listens/, 'and says why')
    await t.rejects(get(`${url}/v2/example.org/test/manifests/1`), 'nothing is served by what is left')
  }
})
