import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startEvilRegistry, type EvilRegistry } from '../support/evil-registry.ts'
import { hangUp } from '../support/faults.ts'
import { startGate, temporaryDirectory, writePolicy } from '../support/gate.ts'
import { basicGuard } from '../support/registry-guard.ts'
import { ecdsaSigner, imageOf } from '../support/signer.ts'
import { get, HOST, signedPolicy, type Answer } from './scene.ts'

type Test = Parameters<typeof startEvilRegistry>[0]

type Mirrored = {
  readonly origin: EvilRegistry
  readonly mirror: EvilRegistry
  readonly pull: (name: string) => Promise<Answer>
  readonly metrics: () => Promise<string>
  readonly signer: ReturnType<typeof ecdsaSigner>
}

const MIRROR_USER = { username: 'mirror', password: 'of the mirror' }
const ORIGIN_USER = { username: 'origin', password: 'of the origin' }

async function mirrored(t: Test): Promise<Mirrored> {
  const origin = await startEvilRegistry(t)
  const mirror = await startEvilRegistry(t)
  origin.guard = basicGuard(ORIGIN_USER)
  mirror.guard = basicGuard(MIRROR_USER)
  const signer = ecdsaSigner()
  const directory = temporaryDirectory(t)
  const keyPath = join(directory, 'cosign.pub')
  writeFileSync(keyPath, signer.publicPem)
  const mirrors = [{ url: mirror.url, prefix: 'cache', ...MIRROR_USER }]
  const { url, adminUrl } = await startGate(t, {
    policy: writePolicy(directory, signedPolicy(keyPath)),
    defaultRegistry: HOST,
    registries: { [HOST]: { url: origin.url, ...ORIGIN_USER, mirrors } },
    cache: { tags: 0, refused: 0 },
  })
  return {
    origin,
    mirror,
    signer,
    pull: name => get(`${url}/v2/${name}`),
    metrics: async () => (await fetch(`${adminUrl}/metrics`)).text(),
  }
}

t.test('case 101: an image and its signature from a mirror, under the registry’s name', async t => {
  const { origin, mirror, pull, signer, metrics } = await mirrored(t)
  const image = mirror.put('cache/test', imageOf('a'), '1')
  mirror.sign('cache/test', image, signer, `${HOST}/test`)
  t.match(await pull('test/manifests/1'), { status: 200 })
  t.equal(origin.count('manifests/1'), 0, 'the registry is not asked for what the mirror has')
  t.match(await metrics(), new RegExp(`host="${new URL(mirror.url).host}"`), 'a mirror is measured by its own name')

  const named = mirror.put('cache/named', imageOf('b'), '1')
  mirror.sign('cache/named', named, signer, `${new URL(mirror.url).host}/cache/named`)
  t.match(await pull('named/manifests/1'), { status: 403 }, 'a claim of the mirror’s name is about another image')
})

t.test('signatures that only the registry has count for the mirror’s image, and the other way round', async t => {
  const { origin, mirror, pull, signer } = await mirrored(t)
  const image = mirror.put('cache/test', imageOf('a'), '1')
  origin.put('test', imageOf('a'), '1')
  t.match(await pull('test/manifests/1'), { status: 403, code: 'DENIED' })
  origin.sign('test', image, signer, `${HOST}/test`)
  t.match(await pull('test/manifests/1'), { status: 200 })
  const other = origin.put('other', imageOf('b'), '1')
  mirror.sign('cache/other', other, signer, `${HOST}/other`)
  t.match(await pull('other/manifests/1'), { status: 200 })
})

t.test('a mirror that is down', async t => {
  const { origin, mirror, pull, signer } = await mirrored(t)
  origin.putSigned('test', '1', signer, HOST)
  origin.put('unsigned', imageOf('b'), '1')
  mirror.script = hangUp
  t.match(await pull('test/manifests/1'), { status: 200 }, 'what the registry has, it gives')
  t.match(
    await pull('unsigned/manifests/1'),
    { status: 503, code: 'UNAVAILABLE' },
    'a signature may be where nobody could look: that is no refusal',
  )
})

t.test('each gets its own credentials only', async t => {
  const { origin, mirror, pull, signer } = await mirrored(t)
  origin.putSigned('test', '1', signer, HOST)
  t.match(await pull('test/manifests/1'), { status: 200 })
  const basic = ({ username, password }: typeof ORIGIN_USER): string =>
    `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  const shown = (registry: EvilRegistry): readonly unknown[] => [
    ...new Set(registry.headers.map(({ authorization }) => authorization)),
  ]
  t.same(shown(mirror), [undefined, basic(MIRROR_USER)])
  t.same(shown(origin), [undefined, basic(ORIGIN_USER)])
})
