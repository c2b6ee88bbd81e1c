import { hashSync } from 'bcryptjs'
import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { createAuthority } from '../support/certificates.ts'
import { startGate, type Gate } from './support/gate.ts'
import { run, type Command } from './support/processes.ts'
import { findPrograms } from './support/programs.ts'
import { sceneTest } from './support/scene-test.ts'

/**
 * docker, podman and crane log in at Sealgate over TLS, with a certificate authority of the test's own, and pull.
 * podman and crane check the certificate by it; docker takes any certificate of a registry on 127.0.0.0/8.
 */

const USER = 'ann'
const PASSWORD = 'correct horse'

type LoginClient = {
  readonly name: string
  readonly login: (password: string) => Command
  readonly logout: () => Command
  readonly pull: (reference: string) => Command
}

sceneTest('logging in over TLS, and pulling', async (t, scene) => {
  const found = findPrograms()
  if (!('programs' in found)) throw new Error(found.missing)
  const { programs } = found
  const { directory, publisher, registry } = scene
  const publicKey = await publisher.createKeyPair('cosign')
  await publisher.pushImage('signed:latest', 'signed')
  await publisher.sign('signed:latest', 'cosign')
  await publisher.pushImage('unsigned:latest', 'unsigned')

  const authority = createAuthority(directory, 'ca')
  const certificate = authority.issue('gate')
  const users = join(directory, 'users.htpasswd')
  await writeFile(users, `${USER}:${hashSync(PASSWORD, 5).replace('$2b$', '$2y$')}\n`)
  const gate = await startGate(join(directory, 'gate'), {
    policy: {
      default: [{ type: 'reject' }],
      transports: { docker: { [registry.host]: [{ type: 'sigstoreSigned', keyPath: publicKey }] } },
    },
    configuration: {
      defaultRegistry: registry.host,
      registries: { [registry.host]: { url: `http://${registry.host}` } },
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

  const docker = (...args: readonly string[]): Command => ({
    program: programs.docker,
    args: ['--host', `unix://${join(directory, 'docker', 'docker.sock')}`, ...args],
    env: { DOCKER_CONFIG: join(home, 'docker') },
  })
  const store = ['--root', join(home, 'root'), '--runroot', join(home, 'run'), '--tmpdir', join(home, 'tmp')]
  const podman = (...args: readonly string[]): Command => ({
    program: programs.podman,
    args: [...store, '--storage-driver=vfs', '--cgroup-manager=cgroupfs', '--events-backend=none', ...args],
    env: { REGISTRY_AUTH_FILE: join(home, 'podman.json'), CONTAINERS_REGISTRIES_CONF: '/dev/null' },
  })
  const crane = (...args: readonly string[]): Command => ({
    program: programs.crane,
    args,
    env: { DOCKER_CONFIG: join(home, 'crane'), SSL_CERT_FILE: authority.file },
  })
  const clients: readonly LoginClient[] = [
    {
      name: 'docker',
      login: password => docker('login', '--username', USER, '--password', password, gate.host),
      logout: () => docker('logout', gate.host),
      pull: reference => docker('pull', reference),
    },
    {
      name: 'podman',
      login: password => podman('login', '--cert-dir', trust, '--username', USER, '--password', password, gate.host),
      logout: () => podman('logout', gate.host),
      pull: reference => podman('pull', '--cert-dir', trust, '--signature-policy', anything, reference),
    },
    {
      name: 'crane',
      login: password => crane('auth', 'login', '--username', USER, '--password', password, gate.host),
      logout: () => crane('auth', 'logout', gate.host),
      pull: reference => crane('manifest', reference),
    },
  ]
  for (const client of clients) await t.test(client.name, child => playClient(child, client, gate))
  const log = gate.log()
  t.match(log, /"user":"ann"/, 'decisions have the user')
  for (const secret of [PASSWORD, Buffer.from(`${USER}:${PASSWORD}`).toString('base64')]) t.notOk(log.includes(secret))
})

async function playClient(t: Test, client: LoginClient, gate: Gate): Promise<void> {
  const signed = `${gate.host}/signed:latest`
  const stranger = await run(client.pull(signed))
  t.not(stranger.exitCode, 0, 'no login, no pull')
  // crane writes down what it is given and asks nobody.
  if (client.name !== 'crane') {
    const wrong = await run(client.login('wrong'))
    t.not(wrong.exitCode, 0, 'a wrong password is no login')
    t.match(wrong.terminal, /unauthorized|invalid username|wants a login/i)
  }
  const login = await run(client.login(PASSWORD))
  t.equal(login.exitCode, 0, `login: ${login.terminal}`)
  const pulled = await run(client.pull(signed))
  t.equal(pulled.exitCode, 0, `pull: ${pulled.terminal}`)
  const refused = await run(client.pull(`${gate.host}/unsigned:latest`))
  t.not(refused.exitCode, 0)
  t.match(refused.terminal, /blocked by image policy/, 'logged in, the policy still decides')
  t.equal((await run(client.logout())).exitCode, 0)
}
