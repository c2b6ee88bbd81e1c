import { hashSync } from 'bcryptjs'
import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createAuthority } from '../support/certificates.ts'
import { startGate } from './support/gate.ts'
import { limits } from './support/limits.ts'
import { must, run, type Command, type Outcome } from './support/processes.ts'
import { findProgram, findPrograms } from './support/programs.ts'
import { writeLayer } from './support/publisher.ts'
import { sceneTest } from './support/scene-test.ts'

/**
 * docker, podman and crane push through Sealgate into a real registry, cosign 2 and 3 sign through it, and only then can
 * somebody who may not push pull. Over TLS, with logins: `ci` may push, `reader` may not.
 */

const PASSWORDS = { ci: 'push horse', reader: 'pull horse' } as const
type User = keyof typeof PASSWORDS

sceneTest('pushing and signing through Sealgate', async (t, scene) => {
  const found = findPrograms()
  if (!('programs' in found)) throw new Error(found.missing)
  const { programs } = found
  const cosign3 = findProgram('cosign3')
  if (cosign3 === undefined && process.env['CI'] === 'true') t.fail('needs cosign3')
  const { directory, publisher, registry } = scene
  const publicKey = await publisher.createKeyPair('cosign')
  const key = publicKey.replace(/\.pub$/, '.key')

  const authority = createAuthority(directory, 'ca')
  const certificate = authority.issue('gate')
  const users = join(directory, 'users.htpasswd')
  const lines = Object.entries(PASSWORDS).map(
    ([user, password]) => `${user}:${hashSync(password, 5).replace('$2b$', '$2y$')}`,
  )
  await writeFile(users, `${lines.join('\n')}\n`)
  const gate = await startGate(join(directory, 'gate'), {
    policy: {
      default: [{ type: 'reject' }],
      transports: { docker: { 'team.example': [{ type: 'sigstoreSigned', keyPath: publicKey }] } },
    },
    configuration: {
      registries: { 'team.example': { url: `http://${registry.host}`, push: 'passthrough', pushers: ['ci'] } },
      tls: { cert: certificate.certFile, key: certificate.keyFile },
      auth: { kind: 'htpasswd', file: users },
    },
  })
  scene.also(gate)

  const home = join(directory, 'logins')
  const trust = join(home, 'certs')
  await mkdir(trust, { recursive: true })
  await copyFile(authority.file, join(trust, 'ca.crt'))
  const anything = join(home, 'policy.json')
  await writeFile(anything, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }))

  const environment = (user: User): Readonly<Record<string, string>> => ({
    DOCKER_CONFIG: join(home, user),
    SSL_CERT_FILE: authority.file,
    COSIGN_PASSWORD: '',
  })
  const as = (user: User, program: string, ...args: readonly string[]): Command => ({
    program,
    args,
    env: environment(user),
  })
  const docker = (user: User, ...args: readonly string[]): Command =>
    as(user, programs.docker, '--host', `unix://${join(directory, 'docker', 'docker.sock')}`, ...args)
  const store = ['--root', join(home, 'root'), '--runroot', join(home, 'run'), '--tmpdir', join(home, 'tmp')]
  const podman = (...args: readonly string[]): Command => ({
    program: programs.podman,
    args: [...store, '--storage-driver=vfs', '--cgroup-manager=cgroupfs', '--events-backend=none', ...args],
    env: { REGISTRY_AUTH_FILE: join(home, 'podman.json'), CONTAINERS_REGISTRIES_CONF: '/dev/null' },
  })
  const named = (repository: string): string => `${gate.host}/team.example/${repository}`
  const manifestAs = async (user: User, reference: string): Promise<Outcome> =>
    run(as(user, programs.crane, 'manifest', reference))

  for (const [user, password] of Object.entries(PASSWORDS)) {
    const login = { DOCKER_CONFIG: join(home, user) }
    const args = ['--host', `unix://${join(directory, 'docker', 'docker.sock')}`, 'login']
    await must({ program: programs.docker, args: [...args, '-u', user, '-p', password, gate.host], env: login })
  }
  await must(podman('login', '--cert-dir', trust, '--username', 'ci', '--password', PASSWORDS.ci, gate.host))

  // An image of the clients' own, from a layer: nothing is pulled for it.
  const layer = await writeLayer(programs, join(directory, 'layers'), 'pushed through')
  await must(docker('ci', 'import', layer, named('by-docker:1')))
  await must(podman('import', layer, named('by-podman:1')))

  const cosign = (program: string, image: string, ...flags: readonly string[]): Command =>
    as('ci', program, 'sign', '--key', key, '--yes', ...flags, image)
  const identity = (repository: string): string => `--sign-container-identity=team.example/${repository}`
  const cosign2 = (repository: string, image: string): Command =>
    cosign(programs.cosign2, image, '--tlog-upload=false', identity(repository))

  const pushes: readonly { readonly repository: string; readonly push: Command; readonly sign: typeof cosign2 }[] = [
    { repository: 'by-docker', push: docker('ci', 'push', named('by-docker:1')), sign: cosign2 },
    {
      repository: 'by-podman',
      push: podman('push', '--cert-dir', trust, '--signature-policy', anything, named('by-podman:1')),
      sign: cosign2,
    },
    {
      repository: 'by-crane',
      push: as(
        'ci',
        programs.crane,
        'append',
        '--oci-empty-base',
        '--new_layer',
        layer,
        '--new_tag',
        named('by-crane:1'),
      ),
      sign:
        cosign3 === undefined
          ? cosign2
          : (_repository, image) => cosign(cosign3, image, '--use-signing-config=false', '--tlog-upload=false'),
    },
  ]

  for (const { repository, push, sign } of pushes) {
    await t.test(repository, async t => {
      const reference = named(`${repository}:1`)
      const pushed = await run(push)
      t.equal(pushed.exitCode, 0, `the push: ${pushed.terminal}`)
      const digest = await must(as('ci', programs.crane, 'digest', reference))
      const direct = await must({
        program: programs.crane,
        args: ['digest', '--insecure', `${registry.host}/${repository}:1`],
      })
      t.equal(digest, direct, 'the registry has what the gate passed on')

      const unsigned = await manifestAs('reader', reference)
      t.not(unsigned.exitCode, 0, 'unsigned, nobody else can pull it')
      t.match(unsigned.terminal, /blocked by image policy/)

      const signed = await run(sign(repository, `${named(repository)}@${digest}`))
      t.equal(signed.exitCode, 0, `the signature: ${signed.terminal}`)
      await passes(async () => manifestAs('reader', reference))
      const byDigest = `${named(repository)}@${digest}`
      await passes(async () => manifestAs('reader', byDigest))
      const pulled = await manifestAs('reader', byDigest)
      t.equal(pulled.exitCode, 0, `signed, it can be pulled: ${pulled.terminal}`)
      const arrived = await run(docker('reader', 'pull', reference))
      t.equal(arrived.exitCode, 0, `by docker too: ${arrived.terminal}`)
    })
  }

  await t.test('who may not push', async t => {
    const refused = [
      { it: 'docker', command: docker('reader', 'push', named('by-docker:1')) },
      { it: 'crane', command: as('reader', programs.crane, 'tag', named('by-crane:1'), 'stolen') },
      { it: 'crane delete', command: as('reader', programs.crane, 'delete', named('by-crane:1')) },
    ]
    for (const { it, command } of refused) {
      const { exitCode, terminal } = await run(command)
      t.not(exitCode, 0, it)
      t.match(terminal, /denied|forbidden|403/i, it)
    }
    const stolen = await run({
      program: programs.crane,
      args: ['digest', '--insecure', `${registry.host}/by-crane:stolen`],
    })
    t.not(stolen.exitCode, 0, 'nothing of it reached the registry')
  })

  const log = gate.log()
  for (const secret of Object.values(PASSWORDS)) t.notOk(log.includes(secret), 'no password is logged')
})

/** Until a signature counts: a refusal that was kept lives for seconds. */
async function passes(attempt: () => Promise<Outcome>): Promise<void> {
  const deadline = Date.now() + limits.freshSignature
  while ((await attempt()).exitCode !== 0 && Date.now() < deadline) await sleep(limits.poll)
}
