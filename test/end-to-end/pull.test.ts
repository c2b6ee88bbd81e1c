import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Pull } from './support/clients.ts'
import { startGate } from './support/gate.ts'
import { limits } from './support/limits.ts'
import { signatureTag } from './support/publisher.ts'
import { sceneTest } from './support/scene-test.ts'

/**
 * docker, podman, skopeo and crane pull through Sealgate from a registry whose images a real cosign 2 signed during this
 * run. The policy asks for one key for everything; no more is set up than a user would set up.
 */

sceneTest('pulling through Sealgate', async (t, scene) => {
  const { publisher, registry, clients } = scene

  const publicKey = await publisher.createKeyPair('cosign')
  await publisher.createKeyPair('other')

  // The images. `named` is signed under the name that its users know it by, the others under the registry's address.
  const digests = new Map([
    ['signed', await publisher.pushImage('signed:latest', 'signed')],
    ['named', await publisher.pushImage('named:latest', 'named')],
    ['multiarch', await publisher.pushIndex('multiarch', 'multiarch')],
    ['unsigned', await publisher.pushImage('unsigned:latest', 'unsigned')],
    ['wrong-key', await publisher.pushImage('wrong-key:latest', 'wrong key')],
    ['replayed', await publisher.pushImage('replayed:latest', 'signed')],
  ])
  await publisher.sign('signed:latest', 'cosign')
  await publisher.sign('named:latest', 'cosign', 'registry.example/named')
  await publisher.sign('multiarch:latest', 'cosign')
  await publisher.sign('wrong-key:latest', 'other')
  const digestOf = (repository: string): string => digests.get(repository) ?? ''

  // Replayed: the same image in another repository, with the signature that is good in the first.
  const signature = signatureTag(digestOf('signed'))
  await publisher.copy(`signed:${signature}`, `replayed:${signature}`)

  // Tampered: another image under the tag that was signed, with the old signature hung on its digest.
  const before = await publisher.pushImage('tampered:latest', 'what was signed')
  await publisher.sign('tampered:latest', 'cosign')
  digests.set('tampered', await publisher.pushImage('tampered:latest', 'what was put in its place'))
  await publisher.copy(`tampered:${signatureTag(before)}`, `tampered:${signatureTag(digestOf('tampered'))}`)

  const signedByUs = [{ type: 'sigstoreSigned', keyPath: publicKey }]
  const gate = await startGate(join(scene.directory, 'gate'), {
    policy: {
      default: [{ type: 'reject' }],
      transports: { docker: { [registry.host]: signedByUs, 'registry.example': signedByUs } },
    },
    configuration: {
      defaultRegistry: registry.host,
      registries: {
        [registry.host]: { url: `http://${registry.host}` },
        'registry.example': { url: `http://${registry.host}` },
      },
    },
  })
  scene.also(gate)

  const accepted = [
    { it: 'the signed image arrives', repository: 'signed', path: 'signed' },
    { it: 'a signed image arrives by its full name', repository: 'named', path: 'registry.example/named' },
    { it: 'a signed index arrives', repository: 'multiarch', path: 'multiarch' },
  ]

  const refused = [
    { it: 'an unsigned image is refused', repository: 'unsigned', reason: 'found none' },
    { it: 'an image signed by another key is refused', repository: 'wrong-key', reason: 'not made with cosign.pub' },
    { it: 'another image with the old signature is refused', repository: 'tampered', reason: `but about ${before}` },
    {
      it: 'a signature copied from another repository is refused (case 58)',
      repository: 'replayed',
      reason: `signed for ${registry.host}/signed, not for ${registry.host}/replayed`,
    },
  ]

  for (const client of clients) {
    t.test(client.name, async t => {
      for (const { it, repository, path } of accepted) {
        t.test(it, async t => {
          const pull = await client.pull(`${gate.host}/${path}:latest`)
          t.match(pull, { outcome: 'arrived' }, 'it arrives')
          t.ok(digestsOf(pull).includes(digestOf(repository)), `with the digest that it has upstream`)
        })
      }
      for (const { it, repository, reason } of refused) {
        t.test(it, async t => {
          const pull = await client.pull(`${gate.host}/${repository}:latest`)
          t.match(pull, { outcome: 'refused', terminal: 'blocked by image policy: ' }, 'and the terminal says by what')
          t.match(pull, { outcome: 'refused', terminal: reason }, 'and why')
          const name = `${registry.host}/${repository}:latest@${digestOf(repository).slice(0, 'sha256:'.length + 4)}`
          t.match(pull, { outcome: 'refused', terminal: name }, 'and names the image and its digest')
        })
      }
      t.test('a fresh signature lets a refused image pass within seconds', async t => {
        const repository = `late/${client.name}`
        const digest = await publisher.pushImage(`${repository}:latest`, repository)
        const reference = `${gate.host}/${repository}:latest`
        t.match(await client.pull(reference), { outcome: 'refused', terminal: 'blocked by image policy: ' })
        await publisher.sign(`${repository}:latest`, 'cosign')
        const deadline = Date.now() + limits.freshSignature
        let pull = await client.pull(reference)
        while (pull.outcome === 'refused' && Date.now() < deadline) {
          await sleep(limits.poll)
          pull = await client.pull(reference)
        }
        t.match(pull, { outcome: 'arrived' }, 'without a restart of anything')
        t.ok(digestsOf(pull).includes(digest), 'with the digest that it has upstream')
      })
    })
  }

  t.test('HEAD is judged as GET', async t => {
    for (const { repository, path } of accepted) {
      const response = await head(`http://${gate.host}/v2/${path}/manifests/latest`, 'crane/v0.22.1')
      t.equal(response.status, 200, `${repository} is there`)
      t.equal(response.headers.get('docker-content-digest'), digestOf(repository), 'with its digest')
    }
    for (const { repository } of refused) {
      const url = `http://${gate.host}/v2/${repository}/manifests/latest`
      t.equal((await head(url, 'crane/v0.22.1')).status, 403, `${repository} is refused`)
      const response = await head(url, 'docker/29.0.0 go/go1.25')
      t.equal(response.status, 405, 'in a way that makes docker ask again with GET, which has the reason')
      t.equal(response.headers.get('docker-content-digest'), null, 'and the digest stays here')
    }
  })

  t.test('the unsigned image is refused by its digest too', async t => {
    const digest = digestOf('unsigned')
    for (const client of clients) {
      const pull = await client.pull(`${gate.host}/unsigned@${digest}`)
      t.match(pull, { outcome: 'refused', terminal: 'blocked by image policy: ' }, client.name)
    }
    // containerd's second try: the same digest by the blobs route.
    const blob = await fetch(`http://${gate.host}/v2/unsigned/blobs/${digest}`, {
      signal: AbortSignal.timeout(limits.command),
    })
    t.not(blob.status, 200, 'nor does the manifest leave as a blob')
    t.notMatch(await blob.text(), 'schemaVersion', 'in whole or in part')
  })
})

function digestsOf(pull: Pull): readonly string[] {
  return pull.outcome === 'arrived' ? pull.digests : []
}

async function head(url: string, userAgent: string): Promise<Response> {
  return fetch(url, {
    method: 'HEAD',
    headers: { 'user-agent': userAgent },
    signal: AbortSignal.timeout(limits.command),
  })
}
