import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { makeKey, publicBytes, signPayload } from '../support/gpg.ts'
import { temporaryDirectory } from '../support/gate.ts'
import { imageOf, type Blob } from '../support/signer.ts'
import { HOST, scene } from './scene.ts'

t.test(
  'case 90: signedBy and sigstoreSigned in one list must both hold, each by a signature of its own kind',
  async t => {
    const directory = temporaryDirectory(t)
    const begun = Date.now()
    const date = new Date(begun - 60_000)
    const [alice, stranger] = await Promise.all([makeKey({ date }), makeKey({ date })])
    const keyring = join(directory, 'team.gpg')
    writeFileSync(keyring, publicBytes(alice))
    const registriesD = join(directory, 'registries.d')
    const lookaside = join(directory, 'lookaside')
    mkdirSync(registriesD)
    writeFileSync(
      join(registriesD, 'default.yaml'),
      `default-docker: { lookaside: "${pathToFileURL(lookaside).href}" }\n`,
    )
    const { registry, signer, pull } = await scene(t, {
      config: { lookaside: registriesD },
      policy: keyPath => ({
        default: [
          { type: 'signedBy', keyType: 'GPGKeys', keyPath: keyring },
          { type: 'sigstoreSigned', keyPath },
        ],
      }),
    })
    const signByGpg = async (image: Blob, key: typeof alice, content: object | string): Promise<void> => {
      const place = join(lookaside, `test@${image.digest.replace(':', '=')}`)
      mkdirSync(place, { recursive: true })
      writeFileSync(join(place, 'signature-1'), await signPayload(key, content, { date: new Date(begun - 1000) }))
    }
    const stated = (image: Blob, tag: string): object => ({
      critical: {
        type: 'atomic container signature',
        image: { 'docker-manifest-digest': image.digest },
        identity: { 'docker-reference': `${HOST}/test:${tag}` },
      },
      optional: {},
    })
    type Gpg = 'none' | 'good' | 'a stranger’s' | 'another tag’s' | 'no statement'
    const table: readonly { gpg: Gpg; cosign: boolean; status: number }[] = [
      { gpg: 'none', cosign: false, status: 403 },
      { gpg: 'good', cosign: false, status: 403 },
      { gpg: 'none', cosign: true, status: 403 },
      { gpg: 'a stranger’s', cosign: true, status: 403 },
      { gpg: 'another tag’s', cosign: true, status: 403 },
      { gpg: 'no statement', cosign: true, status: 403 },
      { gpg: 'good', cosign: true, status: 200 },
    ]
    for (const [index, { gpg, cosign, status }] of table.entries()) {
      const tag = String(index)
      const image = registry.put('test', imageOf(tag), tag)
      const claimed = gpg === 'another tag’s' ? 'other' : tag
      const content = gpg === 'no statement' ? 'This is not JSON\n' : stated(image, claimed)
      if (gpg !== 'none') await signByGpg(image, gpg === 'a stranger’s' ? stranger : alice, content)
      if (cosign) registry.sign('test', image, signer, `${HOST}/test`)
      t.equal((await pull(`test/manifests/${tag}`)).status, status, `GPG: ${gpg}; cosign: ${cosign}`)
    }
  },
)
