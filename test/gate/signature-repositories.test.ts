import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startEvilRegistry, type EvilRegistry } from '../support/evil-registry.ts'
import { answer } from '../support/faults.ts'
import { startGate, temporaryDirectory, writePolicy } from '../support/gate.ts'
import { ecdsaSigner, imageOf, type Signer } from '../support/signer.ts'
import { get, HOST, signedPolicy, type Answer } from './scene.ts'

type Test = Parameters<typeof startEvilRegistry>[0]

const OTHER = 'signatures.example'

async function start(
  t: Test,
  signatureRepositories: readonly { scope: string; repository: string }[],
): Promise<{
  images: EvilRegistry
  signatures: EvilRegistry
  signer: Signer
  pull: (name: string) => Promise<Answer>
}> {
  const images = await startEvilRegistry(t)
  const signatures = await startEvilRegistry(t)
  const signer = ecdsaSigner()
  const directory = temporaryDirectory(t)
  const keyPath = join(directory, 'cosign.pub')
  writeFileSync(keyPath, signer.publicPem)
  const { url } = await startGate(t, {
    policy: writePolicy(directory, signedPolicy(keyPath)),
    defaultRegistry: HOST,
    registries: { [HOST]: { url: images.url }, [OTHER]: { url: signatures.url } },
    signatureRepositories,
    cache: { tags: 0, refused: 0 },
  })
  return { images, signatures, signer, pull: name => get(`${url}/v2/${name}`) }
}

t.test('signatures in another repository, by scope', async t => {
  const { images, signatures, signer, pull } = await start(t, [
    { scope: HOST, repository: `${OTHER}/all` },
    { scope: `${HOST}/team`, repository: `${OTHER}/team` },
  ])
  const table: readonly { it: string; repository: string; signedIn: string; claim?: string; status: number }[] = [
    { it: 'the host’s', repository: 'app', signedIn: 'all', status: 200 },
    { it: 'the most specific scope’s', repository: 'team/app', signedIn: 'team', status: 200 },
    { it: 'and no other scope’s', repository: 'team/app', signedIn: 'all', status: 403 },
    { it: 'another repository there', repository: 'app', signedIn: 'others', status: 403 },
    { it: 'held to the image’s own name', repository: 'app', signedIn: 'all', claim: `${OTHER}/all`, status: 403 },
  ]
  for (const [index, { it, repository, signedIn, claim, status }] of table.entries()) {
    const tag = String(index)
    const image = images.put(repository, imageOf(it), tag)
    signatures.sign(signedIn, image, signer, claim ?? `${HOST}/${repository}`)
    t.equal((await pull(`${repository}/manifests/${tag}`)).status, status, it)
  }
})

t.test('case 217: its own repository is looked in as well, and neither place that cannot tell is a no', async t => {
  const { images, signatures, signer, pull } = await start(t, [{ scope: HOST, repository: `${OTHER}/all` }])
  images.putSigned('app', '1', signer, HOST)
  t.equal((await pull('app/manifests/1')).status, 200)
  signatures.script = answer(500)
  images.putSigned('app', '2', signer, HOST)
  t.equal((await pull('app/manifests/2')).status, 200, 'a signature that suffices needs no other place')
  images.put('app', imageOf('unsigned'), '3')
  t.equal((await pull('app/manifests/3')).status, 503, 'a place that cannot tell is no "none"')
})

t.test('what is in the signatures’ repository is no image of the other’s', async t => {
  const { signatures, signer, pull } = await start(t, [{ scope: HOST, repository: `${OTHER}/all` }])
  signatures.putSigned('all', '1', signer, HOST)
  t.equal((await pull('all/manifests/1')).status, 404, 'not under the one name')
  t.equal((await pull(`${OTHER}/all/manifests/1`)).status, 403, 'and the policy decides under the other')
})

t.test('settings that cannot be meant', async t => {
  const table: readonly { it: string; rules: { scope: string; repository: string }[]; is: RegExp }[] = [
    {
      it: 'an unknown registry',
      rules: [{ scope: HOST, repository: 'unknown.example/x' }],
      is: /unknown\.example is not/,
    },
    {
      it: 'a tag',
      rules: [{ scope: HOST, repository: `${OTHER}/x:1` }],
      is: /expected host\/repository without a tag/,
    },
    { it: 'no repository', rules: [{ scope: HOST, repository: OTHER }], is: /expected host\/repository/ },
    {
      it: 'no scope',
      rules: [{ scope: 'No Scope', repository: `${OTHER}/x` }],
      is: /signatureRepositories\[0\]\.scope/,
    },
    {
      it: 'a scope twice',
      rules: [
        { scope: HOST, repository: `${OTHER}/x` },
        { scope: HOST, repository: `${OTHER}/y` },
      ],
      is: /signatureRepositories\[1\]\.scope: .* is there already/,
    },
  ]
  for (const { it, rules, is } of table) await t.rejects(start(t, rules), is, it)
})
