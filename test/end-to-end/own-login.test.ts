import { readFile } from 'node:fs/promises'
import { get } from 'node:https'
import { join } from 'node:path'
import { findPrograms } from './support/programs.ts'
import { decisionsIn, refusedIn } from './support/decisions.ts'
import { startGate, type Gate } from './support/gate.ts'
import { sceneTest } from './support/scene-test.ts'
import { startTlsMachine } from './support/tls-machine.ts'
import { startTokenRegistry } from './support/token-registry.ts'

/**
 * Each client comes with a login of its own for a registry with token authentication, and Sealgate, which has none, asks with
 * that (`credentials: client`). What the owner of a repository has pulled through the same gate is neither shown nor judged
 * for anybody whom the registry does not let see it.
 */

const PASSWORD = 'correct horse'
const REGISTRY = 'registry.example'
// Short: podman's directories, which have them in their paths, may have no more than 50 characters.
const NAME = 'own.test'
const CLIENTS = ['docker', 'docker-build', 'buildkit', 'buildkitd', 'podman', 'skopeo', 'crane', 'oras', 'containerd']
const OWNER = { username: 'owner', password: 'the owner knows' }

sceneTest('each client with a login of its own for the registry', async (t, scene) => {
  const found = findPrograms()
  if (!('programs' in found)) throw new Error(found.missing)
  const { programs } = found
  const { directory, publisher, registry } = scene
  const publicKey = await publisher.createKeyPair('cosign')
  const digest = await publisher.pushImage('team/signed:latest', 'signed')
  await publisher.pushImage('team/unsigned:latest', 'unsigned')
  const secret = await publisher.pushImage('secret/signed:latest', 'secret')
  for (const name of ['team', 'secret']) {
    await publisher.sign(`${name}/signed:latest`, 'cosign', `${REGISTRY}/${name}/signed`)
  }
  const upstream = await startTokenRegistry(programs, {
    directory: join(directory, 'tokens'),
    data: registry.data ?? '',
    users: [
      { ...OWNER, sees: () => true },
      ...CLIENTS.map(username => ({
        username,
        password: PASSWORD,
        sees: (repository: string) => repository.startsWith('team/'),
      })),
    ],
  })
  scene.also(upstream)
  const machine = await startTlsMachine(scene, programs, [NAME])
  const gate = await startGate(join(directory, 'gate'), {
    policy: {
      default: [{ type: 'reject' }],
      transports: { docker: { [REGISTRY]: [{ type: 'sigstoreSigned', keyPath: publicKey }] } },
    },
    configuration: {
      registries: {
        [REGISTRY]: { url: `http://${upstream.host}`, tokenHosts: [upstream.tokenHost], credentials: 'client' },
      },
      hostNames: { [NAME]: REGISTRY },
      tls: machine.tls,
    },
  })
  scene.also(gate)
  const { reached, hasBuildkitd } = await machine.inFrontOf(gate)
  if (!hasBuildkitd && process.env['CI'] === 'true') t.fail('needs buildkitd and buildctl')

  const clients = (await reached(NAME)).filter(({ pulls }) => pulls === 'images')
  t.same(
    clients.map(({ name }) => name),
    CLIENTS.filter(name => hasBuildkitd || name !== 'buildkitd'),
    'all of them',
  )
  const ca = await readFile(machine.caFile, 'utf8')
  for (const client of clients) {
    await t.test(client.name, async t => {
      const before = gate.log().length
      for (const [it, password] of [
        ['no login', undefined],
        ['a wrong password', 'wrong'],
      ] as const) {
        t.match(await client.pull('team/signed:latest', password), { outcome: 'refused', terminal: NO_LOGIN }, it)
      }
      t.same(decisionsIn(gate.log().slice(before)), [], 'and nothing was decided')

      const pull = await client.pull('team/signed:latest', PASSWORD)
      t.match(pull, { outcome: 'arrived' }, 'what the registry shows it, and is signed, arrives')
      if (pull.outcome === 'arrived' && pull.digests.length > 0) t.ok(pull.digests.includes(digest), 'with its digest')
      const refused = await client.pull('team/unsigned:latest', PASSWORD)
      t.match(refused, { outcome: 'refused', terminal: /blocked by image policy: .* found none/ })
      if (refused.outcome === 'refused') t.comment(`${client.name}: ${refused.terminal}`)
      t.same(refusedIn(gate.log().slice(before)), [`${REGISTRY}/team/unsigned:latest`])

      t.equal(
        await ownersPull(gate, ca, `secret/signed/manifests/${secret}`),
        200,
        'the owner has pulled, by digest, what others may not see',
      )
      const hidden = await client.pull('secret/signed:latest', PASSWORD)
      t.match(hidden, { outcome: 'refused', terminal: NO_LOGIN }, 'and it is hidden from this one')
      if (hidden.outcome === 'refused') t.notMatch(hidden.terminal, 'blocked by image policy')
    })
  }
  const log = gate.log()
  for (const text of [PASSWORD, OWNER.password, 'Bearer ', 'eyJ'])
    t.notOk(log.includes(text), 'no secret is in the log')
})

async function ownersPull(gate: Gate, ca: string, path: string): Promise<number | undefined> {
  const auth = `${OWNER.username}:${OWNER.password}`
  return new Promise((resolve, reject) => {
    const asked = get(
      `https://${gate.host}/v2/${path}`,
      { ca, servername: NAME, headers: { host: NAME }, auth },
      answer => resolve(answer.resume().statusCode),
    )
    asked.once('error', reject)
  })
}

// Each client's words for 401. On 127.0.0.0/8 docker then tries plain HTTP, whose end is all that it tells.
const NO_LOGIN =
  /Get "http:.*: EOF$|unauthorized|no basic auth credentials|basic credential not found|invalid username|wants a login|401/im
