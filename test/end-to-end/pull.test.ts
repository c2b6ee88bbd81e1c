import t from 'tap'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startGate } from './support/gate.ts'
import { limits } from './support/limits.ts'
import { findPrograms } from './support/programs.ts'
import { signatureTag } from './support/publisher.ts'
import { openScene } from './support/scene.ts'

/**
 * docker, podman, skopeo and crane pull through Sealgate from a registry whose images a real cosign 2 signed during this
 * run. The policy asks for one key for everything; no more is set up than a user would set up.
 */

const found = findPrograms()

if ('missing' in found) {
  // In CI a suite that did not run must not look like one that passed.
  if (process.env['CI'] === 'true') t.fail(`the end-to-end suite ${found.missing}`)
  else t.plan(0, `the end-to-end suite ${found.missing}`)
} else {
  const { programs } = found
  // One test around all: what its set-up throws is a failure of this test, and the teardown runs all the same.
  t.test('pulling through Sealgate', async t => {
    const scene = await openScene(programs)
    t.teardown(scene.close)
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
      { it: 'an unsigned image is refused', repository: 'unsigned' },
      { it: 'an image signed by another key is refused', repository: 'wrong-key' },
      { it: 'another image with the old signature is refused', repository: 'tampered' },
      { it: 'a signature copied from another repository is refused', repository: 'replayed' },
    ]

    for (const client of clients) {
      t.test(client.name, async t => {
        for (const { it, repository, path } of accepted) {
          t.test(it, async t => {
            const pull = await client.pull(`${gate.host}/${path}:latest`)
            t.match(pull, { outcome: 'arrived' }, 'it arrives')
            const arrived = pull.outcome === 'arrived' ? pull.digests : []
            t.ok(arrived.includes(digestOf(repository)), `with the digest that it has upstream (${arrived.join(', ')})`)
          })
        }
        for (const { it, repository } of refused) {
          t.test(it, async t => {
            const pull = await client.pull(`${gate.host}/${repository}:latest`)
            t.match(
              pull,
              { outcome: 'refused', terminal: 'blocked by image policy: ' },
              'and the terminal says by what',
            )
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
          t.match(pull, { outcome: 'arrived', digests: [digest] }, 'without a restart of anything')
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
      for (const client of clients) {
        const pull = await client.pull(`${gate.host}/unsigned@${digestOf('unsigned')}`)
        t.match(pull, { outcome: 'refused', terminal: 'blocked by image policy: ' }, client.name)
      }
    })
  })
}

async function head(url: string, userAgent: string): Promise<Response> {
  return fetch(url, {
    method: 'HEAD',
    headers: { 'user-agent': userAgent },
    signal: AbortSignal.timeout(limits.command),
  })
}
