import { hashSync } from 'bcryptjs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startGate } from './support/gate.ts'
import { answers, freePort, must, startServer } from './support/processes.ts'
import { findPrograms } from './support/programs.ts'
import { sceneTest } from './support/scene-test.ts'

/** What podman, skopeo, crane and docker write down when somebody logs in to a registry is what the gate goes there with. */

const USER = 'reader'
const PASSWORD = 'correct horse: battery'

sceneTest('a registry with a login, and the files of who logged in', async (t, scene) => {
  const found = findPrograms()
  if (!('programs' in found)) throw new Error(found.missing)
  const { programs } = found
  const { directory, publisher, registry } = scene
  if (registry.data === undefined) throw new Error('a registry with storage is needed')
  const publicKey = await publisher.createKeyPair('cosign')
  await publisher.pushImage('team/signed:latest', 'signed')
  await publisher.sign('team/signed:latest', 'cosign', 'registry.example/team/signed')

  const own = join(directory, 'guarded')
  await mkdir(own, { recursive: true })
  const users = join(own, 'htpasswd')
  await writeFile(users, `${USER}:${hashSync(PASSWORD, 5).replace('$2b$', '$2y$')}\n`)
  const host = `127.0.0.1:${await freePort()}`
  const file = join(own, 'registry.yml')
  const configuration = {
    version: '0.1',
    log: { level: 'info' },
    storage: { filesystem: { rootdirectory: registry.data } },
    http: { addr: host },
    auth: { htpasswd: { realm: 'guarded', path: users } },
  }
  await writeFile(file, JSON.stringify(configuration))
  const guarded = await startServer({
    program: programs.registry,
    args: ['serve', file],
    logFile: join(own, 'registry.log'),
    isReady: async () => answers(`http://${host}/v2/`, 401),
  })
  scene.also(guarded)

  const flags = ['--username', USER, '--password', PASSWORD]
  const dockerHome = join(own, 'docker')
  const logins = [
    {
      it: 'podman login',
      file: join(own, 'podman.json'),
      login: {
        program: programs.podman,
        args: ['login', '--tls-verify=false', '--authfile', join(own, 'podman.json'), ...flags, host],
      },
    },
    {
      it: 'skopeo login, to the one repository',
      file: join(own, 'skopeo.json'),
      login: {
        program: programs.skopeo,
        args: ['login', '--tls-verify=false', '--authfile', join(own, 'skopeo.json'), ...flags, `${host}/team/signed`],
      },
    },
    {
      it: 'crane auth login',
      file: join(own, 'crane', 'config.json'),
      login: {
        program: programs.crane,
        args: ['auth', 'login', '--insecure', ...flags, host],
        env: { DOCKER_CONFIG: join(own, 'crane') },
      },
    },
    {
      it: 'docker login',
      file: join(dockerHome, 'config.json'),
      login: {
        program: programs.docker,
        args: ['--host', `unix://${join(directory, 'docker', 'docker.sock')}`, 'login', ...flags, host],
        env: { DOCKER_CONFIG: dockerHome },
      },
    },
  ]
  for (const { it, file, login } of logins) {
    await must(login)
    const gate = await startGate(join(own, it.replaceAll(/\W+/g, '-')), {
      policy: {
        default: [{ type: 'reject' }],
        transports: { docker: { 'registry.example': [{ type: 'sigstoreSigned', keyPath: publicKey }] } },
      },
      configuration: {
        registries: { 'registry.example': { url: `http://${host}` } },
        defaultRegistry: 'registry.example',
        dockerConfig: file,
      },
    })
    scene.also(gate)
    const manifest = await fetch(`http://${gate.host}/v2/team/signed/manifests/latest`)
    t.equal(manifest.status, 200, it)
    t.notMatch(gate.log(), PASSWORD)
  }
})
