import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startEvilRegistry } from '../support/evil-registry.ts'
import { startGate, temporaryDirectory } from '../support/gate.ts'
import { ecdsaSigner, imageOf, indexOf } from '../support/signer.ts'
import { get, scene, signedPolicy } from './scene.ts'

const REJECT = JSON.stringify({ default: [{ type: 'reject' }] })

t.test(
  'cases 170 to 172: a changed policy counts with the next pull, though the old verdict is remembered',
  async t => {
    const { registry, signer, pull, policyFile, directory } = await scene(t)
    registry.putSigned('test', '1', signer, 'example.org')
    const good = JSON.stringify(signedPolicy(join(directory, 'cosign.pub')))
    for (let round = 0; round < 3; round += 1) {
      t.equal((await pull('test/manifests/1')).status, 200, `round ${round}: accepted`)
      writeFileSync(policyFile, REJECT)
      t.equal((await pull('test/manifests/1')).status, 403, `round ${round}: refused`)
      writeFileSync(policyFile, good)
    }
  },
)

t.test('case 115: the children of an index belong to the policy that accepted it', async t => {
  const { registry, signer, pull, policyFile, directory } = await scene(t)
  const child = imageOf('child')
  const index = indexOf([child.manifest])
  registry.put('multi', child)
  registry.put('multi', { manifest: index, blobs: [] }, '1')
  registry.sign('multi', index, signer, 'example.org/multi')
  const name = `multi/manifests/${child.manifest.digest}`
  t.equal((await pull('multi/manifests/1')).status, 200)
  t.equal((await pull(name)).status, 200)
  const stranger = join(directory, 'stranger.pub')
  writeFileSync(stranger, ecdsaSigner().publicPem)
  writeFileSync(policyFile, JSON.stringify(signedPolicy(stranger)))
  t.equal((await pull(name)).status, 403, 'not of the next one, though it is remembered')
  writeFileSync(policyFile, JSON.stringify(signedPolicy(join(directory, 'cosign.pub'))))
  t.equal((await pull('multi/manifests/1')).status, 200)
  t.equal((await pull(name)).status, 200, 'and again of one that accepts it')
})

t.test('case 71: a changed key counts with the next pull', async t => {
  const { registry, signer, pull, directory } = await scene(t)
  registry.putSigned('test', '1', signer, 'example.org')
  t.equal((await pull('test/manifests/1')).status, 200)
  writeFileSync(join(directory, 'cosign.pub'), ecdsaSigner().publicPem)
  t.equal((await pull('test/manifests/1')).status, 403)
  writeFileSync(join(directory, 'cosign.pub'), signer.publicPem)
  t.equal((await pull('test/manifests/1')).status, 200)
})

t.test('I10, cases 192, 194: what cannot be used is reported, and the last good policy stays in force', async t => {
  const { registry, signer, pull, policyFile, directory, adminUrl } = await scene(t)
  registry.putSigned('test', '1', signer, 'example.org')
  registry.put('unsigned', imageOf('unsigned'), '1')
  const keyFile = join(directory, 'cosign.pub')
  const good = JSON.stringify(signedPolicy(keyFile))
  const breakages = [
    { it: 'half a policy', break: () => writeFileSync(policyFile, good.slice(0, 40)) },
    { it: 'an empty policy (187)', break: () => writeFileSync(policyFile, '') },
    { it: 'an empty object', break: () => writeFileSync(policyFile, '{}') },
    { it: 'a typo', break: () => writeFileSync(policyFile, good.replace('keyPath', 'keypath')) },
    { it: 'no policy', break: () => rmSync(policyFile) },
    { it: 'no key (192)', break: () => rmSync(keyFile) },
    { it: 'an empty key', break: () => writeFileSync(keyFile, '') },
    { it: 'a key that is none', break: () => writeFileSync(keyFile, 'ssh-ed25519 AAAA') },
    { it: 'a directory for a key (197)', break: () => (rmSync(keyFile), mkdirSync(keyFile)) },
  ]
  for (const { it, break: breakIt } of breakages) {
    breakIt()
    t.equal((await pull('test/manifests/1')).status, 200, `${it}: signed`)
    t.equal((await pull('unsigned/manifests/1')).status, 403, `${it}: unsigned`)
    const ready = await get(`${adminUrl}/readyz`)
    t.equal(ready.status, 200)
    t.type(JSON.parse(ready.body.toString()).problem, 'string', `${it}: said on /readyz`)
    rmSync(keyFile, { recursive: true, force: true })
    writeFileSync(keyFile, signer.publicPem)
    writeFileSync(policyFile, good)
    await pull('test/manifests/1')
    t.equal(JSON.parse((await get(`${adminUrl}/readyz`)).body.toString()).problem, undefined, `${it}: mended`)
  }
})

t.test('case 195: a Kubernetes ConfigMap that is swapped by its ..data link', async t => {
  const registry = await startEvilRegistry(t)
  const directory = temporaryDirectory(t)
  const [oldSigner, newSigner] = [ecdsaSigner(), ecdsaSigner()]
  const generation = (name: string, publicPem: string): void => {
    mkdirSync(join(directory, name))
    writeFileSync(join(directory, name, 'cosign.pub'), publicPem)
    writeFileSync(join(directory, name, 'policy.json'), JSON.stringify(signedPolicy('cosign.pub')))
    symlinkSync(name, join(directory, '..data_tmp'))
    renameSync(join(directory, '..data_tmp'), join(directory, '..data'))
  }
  generation('..2026_1', oldSigner.publicPem)
  for (const file of ['policy.json', 'cosign.pub']) symlinkSync(join('..data', file), join(directory, file))
  const { url } = await startGate(t, {
    policy: join(directory, 'policy.json'),
    registries: { 'example.org': { url: registry.url } },
    cache: { tags: 0, refused: 0 },
  })
  registry.putSigned('old', '1', oldSigner, 'example.org')
  registry.putSigned('new', '1', newSigner, 'example.org')
  t.equal((await get(`${url}/v2/example.org/old/manifests/1`)).status, 200)
  t.equal((await get(`${url}/v2/example.org/new/manifests/1`)).status, 403)
  generation('..2026_2', newSigner.publicPem)
  t.equal((await get(`${url}/v2/example.org/old/manifests/1`)).status, 403)
  t.equal((await get(`${url}/v2/example.org/new/manifests/1`)).status, 200)
})

t.test(
  'case 218: a fresh signature counts at once when refusals are not remembered, and soon when they are',
  async t => {
    const { registry, signer, pull } = await scene(t, { config: { cache: { tags: 0, refused: 0.2 } } })
    const image = registry.put('test', imageOf('late'), '1')
    t.equal((await pull('test/manifests/1')).status, 403)
    registry.sign('test', image, signer, 'example.org/test')
    t.equal((await pull('test/manifests/1')).status, 403, 'remembered')
    await new Promise(resolve => setTimeout(resolve, 250))
    t.equal((await pull('test/manifests/1')).status, 200)
  },
)
