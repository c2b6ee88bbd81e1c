import { hashSync } from 'bcryptjs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { pushChart } from './support/charts.ts'
import { decisionsIn, refusedIn } from './support/decisions.ts'
import { startGate, type Gate } from './support/gate.ts'
import type { LoginClient } from './support/login-client.ts'
import { startTlsMachine } from './support/tls-machine.ts'
import { findPrograms } from './support/programs.ts'
import { sceneTest } from './support/scene-test.ts'
import { READER, startTokenRegistry } from './support/token-registry.ts'

/**
 * Each client logs in at Sealgate over TLS, with a certificate authority of the test's own, and pulls what is signed, what is
 * not and what is for several platforms, from a registry with token authentication: by names through the gate, and by a host
 * name of the gate's own that stands for the registry. All check the certificate but docker's pull and its old builder, which
 * take any from a name that is on 127.0.0.0/8.
 *
 * That it is the gate which refused is read twice: on the client's terminal, in the gate's words, and in the gate's log, where the decision has the login of that client.
 */

const PASSWORD = 'correct horse'
const REGISTRY = 'registry.example'
const OTHER = 'other.example'
// Short: podman's directories, which have them in their paths, may have no more than 50 characters.
const HOSTS = { gate: 'gate.test', registry: 'one.gate.test', other: 'two.gate.test' } as const
const CLIENTS = [
  'docker',
  'docker-build',
  'buildkit',
  'buildkitd',
  'podman',
  'skopeo',
  'crane',
  'oras',
  'helm',
  'containerd',
]

type Artifacts = { readonly accepted: readonly string[]; readonly refused: string }

const ARTIFACTS: Readonly<Record<LoginClient['pulls'], Artifacts>> = {
  images: { accepted: ['signed:latest', 'multiarch:latest'], refused: 'unsigned:latest' },
  // A chart has no platforms.
  charts: { accepted: ['charts/signed:1.0.0'], refused: 'charts/unsigned:1.0.0' },
}

sceneTest('each client over TLS, with a login, in front of token authentication', async (t, scene) => {
  const found = findPrograms()
  if (!('programs' in found)) throw new Error(found.missing)
  const { programs } = found
  const { directory, publisher, registry } = scene
  const publicKey = await publisher.createKeyPair('cosign')
  const sign = async (image: string): Promise<void> =>
    publisher.sign(image, 'cosign', `${REGISTRY}/${image.slice(0, image.lastIndexOf(':'))}`)
  const digests = new Map([
    ['signed:latest', await publisher.pushImage('signed:latest', 'signed')],
    ['multiarch:latest', await publisher.pushIndex('multiarch', 'multiarch')],
    ['unsigned:latest', await publisher.pushImage('unsigned:latest', 'unsigned')],
  ])
  for (const name of ['signed', 'unsigned']) await pushChart(programs, { directory, registryHost: registry.host, name })
  for (const { accepted } of Object.values(ARTIFACTS)) for (const image of accepted) await sign(image)

  const upstream = await startTokenRegistry(programs, {
    directory: join(directory, 'tokens'),
    data: registry.data ?? '',
  })
  scene.also(upstream)
  const machine = await startTlsMachine(scene, programs, Object.values(HOSTS))

  const users = join(directory, 'users.htpasswd')
  const hash = hashSync(PASSWORD, 5).replace('$2b$', '$2y$')
  await writeFile(users, CLIENTS.map(name => `${name}:${hash}\n`).join(''))
  const upstreamOf = { url: `http://${upstream.host}`, tokenHosts: [upstream.tokenHost], ...READER }
  const gate = await startGate(join(directory, 'gate'), {
    policy: {
      default: [{ type: 'reject' }],
      transports: { docker: { [REGISTRY]: [{ type: 'sigstoreSigned', keyPath: publicKey }] } },
    },
    configuration: {
      registries: { [REGISTRY]: upstreamOf, [OTHER]: upstreamOf },
      hostNames: { [HOSTS.registry]: REGISTRY, [HOSTS.other]: OTHER },
      tls: machine.tls,
      auth: { kind: 'htpasswd', file: users },
    },
  })
  scene.also(gate)

  const { reached, hasBuildkitd } = await machine.inFrontOf(gate)
  if (!hasBuildkitd && process.env['CI'] === 'true') t.fail('needs buildkitd and buildctl')
  const byPath = await reached(HOSTS.gate, REGISTRY)
  const byName = await reached(HOSTS.registry)
  const others = await reached(HOSTS.other)
  t.same(
    byPath.map(({ name }) => name),
    CLIENTS.filter(name => hasBuildkitd || name !== 'buildkitd'),
    'all of them',
  )
  for (const client of byPath) await t.test(client.name, async t => playClient(t, client, gate, digests))
  for (const client of byName) {
    await t.test(`${client.name}, by a host name`, async t => playClient(t, client, gate, digests))
  }
  for (const client of others) {
    await t.test(`${client.name}, by another host name`, async t => {
      const before = gate.log().length
      const [image = ''] = ARTIFACTS[client.pulls].accepted
      const terminal = `blocked by image policy: ${OTHER}/${image}`
      t.match(await client.pull(image, PASSWORD), { outcome: 'refused', terminal }, 'what is signed for one registry')
      t.same(refusedIn(gate.log().slice(before), client.name), [`${OTHER}/${image}`], 'is not signed for the other')
    })
  }

  const log = gate.log()
  for (const secret of [PASSWORD, READER.password, 'Bearer ', 'eyJ']) t.notOk(log.includes(secret))
  for (const name of CLIENTS) t.notOk(log.includes(Buffer.from(`${name}:${PASSWORD}`).toString('base64')))
})

async function playClient(
  t: Test,
  client: LoginClient,
  gate: Gate,
  digests: ReadonlyMap<string, string>,
): Promise<void> {
  const { accepted, refused } = ARTIFACTS[client.pulls]
  const [signed = ''] = accepted
  const before = gate.log().length
  for (const [it, password] of [
    ['no login', undefined],
    ['a wrong password', 'wrong'],
  ] as const) {
    const stranger = await client.pull(signed, password)
    t.match(stranger, { outcome: 'refused', terminal: NO_LOGIN }, `${it}, no pull`)
  }
  t.equal(decisionsIn(gate.log().slice(before)).length, 0, 'and nothing was decided for a stranger')

  for (const image of accepted) {
    const pull = await client.pull(image, PASSWORD)
    t.match(pull, { outcome: 'arrived' }, `${image} arrives`)
    const digest = digests.get(image)
    if (pull.outcome === 'arrived' && digest !== undefined) t.ok(pull.digests.includes(digest), 'with its digest')
  }

  const pull = await client.pull(refused, PASSWORD)
  const terminal = /blocked by image policy: registry\.example\/.* found none/
  t.match(pull, { outcome: 'refused', terminal }, `${refused} is refused, and the terminal says so`)
  if (pull.outcome === 'refused') {
    t.comment(`${client.name}: ${pull.terminal}`)
    t.notMatch(pull.terminal, 'x509', 'and no second try fails at the certificate')
  }
  t.same(
    refusedIn(gate.log().slice(before), client.name),
    [`${REGISTRY}/${refused}`],
    'by the gate, for this login, and nothing else',
  )
}

// Each client's words for 401. On 127.0.0.0/8 docker then tries plain HTTP, whose end is all that it tells.
const NO_LOGIN =
  /Get "http:.*: EOF$|unauthorized|no basic auth credentials|basic credential not found|invalid username|wants a login|401/im
