import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createLogger } from '../../src/observe/logger.ts'
import { startGate, temporaryDirectory, writePolicy } from '../support/gate.ts'
import { ecdsaSigner } from '../support/signer.ts'
import { get, HOST, signedPolicy } from './scene.ts'

const accept = [{ type: 'insecureAcceptAnything' }]

t.test('cases 93 and 105: what a policy leaves open is in the log when it comes into force', async t => {
  const warnings: string[] = []
  const write = (line: string): void => {
    const { msg, warning } = JSON.parse(line)
    if (msg === 'policy warning') warnings.push(warning)
  }
  const directory = temporaryDirectory(t)
  writeFileSync(join(directory, 'cosign.pub'), ecdsaSigner().publicPem)
  const strict = signedPolicy('cosign.pub')
  const policy = writePolicy(directory, strict)
  const registries = { [HOST]: { url: 'http://127.0.0.1:1' } }
  const { url } = await startGate(t, { policy, registries }, createLogger('info', { write }))
  t.same(warnings, [], 'a policy that leaves nothing open')
  const byTag = { ...strict, transports: { docker: { [`${HOST}/test:1`]: [{ type: 'reject' }], '': accept } } }
  writeFileSync(policy, JSON.stringify(byTag))
  await get(`${url}/v2/${HOST}/test/manifests/1`)
  t.match(warnings, [/the scope "" accepts anything/, /example\.org\/test:1 is stricter than "".* goes round it/])
  t.equal(warnings.length, 2)
})
