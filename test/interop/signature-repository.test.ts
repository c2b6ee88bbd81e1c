import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { must } from '../end-to-end/support/processes.ts'
import { findPrograms } from '../end-to-end/support/programs.ts'
import { createPublisher } from '../end-to-end/support/publisher.ts'
import { startReferrersRegistry, startRegistry } from '../end-to-end/support/registry.ts'
import { startGate, writePolicy } from '../support/gate.ts'

/** What cosign writes with COSIGN_REPOSITORY, found by `signatureRepositories`: `.sig` tags, referrers and their fallback tag. */
const found = findPrograms()
const { COSIGN3: cosign3, REFERRERS_REGISTRY: referrersRegistry } = process.env
const missing =
  'missing' in found
    ? found.missing
    : cosign3 === undefined || referrersRegistry === undefined
      ? 'needs COSIGN3 and REFERRERS_REGISTRY, the paths of those programs'
      : undefined
if (missing !== undefined && process.env['CI'] === 'true') throw new Error(missing)

t.test('signatures kept in another repository by cosign', { skip: missing ?? false }, async t => {
  if ('missing' in found || cosign3 === undefined || referrersRegistry === undefined) throw new Error('skipped')
  const { programs } = found
  const directory = await mkdtemp(join(tmpdir(), 'sealgate-interop-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const registries = [
    { it: 'a registry without the referrers API', start: () => startRegistry(programs, join(directory, 'registry')) },
    {
      it: 'a registry with it',
      start: () => startReferrersRegistry(referrersRegistry, join(directory, 'referrers-registry')),
    },
  ]
  for (const [index, { it, start }] of registries.entries()) {
    const registry = await start()
    t.teardown(() => registry.stop())
    const workplace = join(directory, String(index))
    const publisher = createPublisher(programs, registry.host, workplace)
    const keyPath = await publisher.createKeyPair('cosign')
    const attached = ['--use-signing-config=false', '--new-bundle-format=false']
    const formats = [
      { name: 'cosign2-sig', program: programs.cosign2, flags: [] },
      { name: 'cosign3-sig', program: cosign3, flags: attached },
      { name: 'cosign3-bundle', program: cosign3, flags: ['--use-signing-config=false'] },
    ]
    for (const { name, program, flags } of formats) {
      const digest = await publisher.pushImage(`${name}:latest`, name)
      const key = ['--key', join(workplace, 'cosign.key')]
      const common = ['sign', '--yes', '--tlog-upload=false', '--allow-insecure-registry', ...key, ...flags]
      await must({
        program,
        args: [...common, `${registry.host}/${name}@${digest}`],
        env: { COSIGN_PASSWORD: '', COSIGN_REPOSITORY: `${registry.host}/kept/signatures` },
      })
    }
    const status = async (settings: object, name: string): Promise<number> => {
      const { url } = await startGate(t, {
        policy: writePolicy(directory, {
          default: [{ type: 'reject' }],
          transports: { docker: { [registry.host]: [{ type: 'sigstoreSigned', keyPath }] } },
        }),
        registries: { [registry.host]: { url: `http://${registry.host}` } },
        ...settings,
      })
      return (await fetch(`${url}/v2/${registry.host}/${name}/manifests/latest`)).status
    }
    const kept = { signatureRepositories: [{ scope: registry.host, repository: `${registry.host}/kept/signatures` }] }
    for (const { name } of formats) {
      t.equal(await status({}, name), 403, `${it}, ${name}: not beside the image`)
      t.equal(await status(kept, name), 200, `${it}, ${name}: there`)
    }
  }
})
