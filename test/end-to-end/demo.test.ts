import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { startGate } from './support/gate.ts'
import { sceneTest } from './support/scene-test.ts'

/** The embedded demo: real clients pull what is shipped in config/demo, an OCI layout directory and not a registry. */

sceneTest('pulling the demo images', async (t, scene) => {
  const demo = join(import.meta.dirname, '..', '..', 'config', 'demo')
  const gate = await startGate(join(scene.directory, 'gate'), {
    policy: join(demo, 'policy.json'),
    configuration: {
      defaultRegistry: 'example.org',
      registries: { 'example.org': { layout: join(demo, 'images') } },
    },
  })
  scene.also(gate)

  for (const client of scene.clients) {
    t.test(client.name, async t => {
      for (const repository of ['signed', 'multiarch']) {
        const pull = await client.pull(`${gate.host}/${repository}:latest`)
        const digest = latestIn(join(demo, 'images', 'example.org', repository))
        t.match(pull, { outcome: 'arrived' }, `${repository} arrives`)
        t.ok(pull.outcome === 'arrived' && pull.digests.includes(digest), `as the layout has it: ${digest}`)
      }
      for (const repository of ['unsigned', 'wrong-key', 'tampered']) {
        const pull = await client.pull(`${gate.host}/${repository}:latest`)
        t.match(pull, { outcome: 'refused', terminal: 'blocked by image policy: ' }, `${repository} is refused`)
      }
    })
  }
})

/** The digest that the tag latest has in an OCI layout. */
function latestIn(layout: string): string {
  const index: {
    readonly manifests: readonly { readonly digest: string; readonly annotations?: Readonly<Record<string, string>> }[]
  } = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8'))
  const tagged = index.manifests.find(entry => entry.annotations?.['org.opencontainers.image.ref.name'] === 'latest')
  return tagged?.digest ?? 'no such tag'
}
