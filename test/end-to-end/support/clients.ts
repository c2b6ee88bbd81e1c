import { createHash } from 'node:crypto'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { answersOnSocket, startServer, run, must, type Command, type Server } from './processes.ts'
import type { Programs } from './programs.ts'

/** What came of a pull: the digest that the client has the image under, or what it printed instead. */
export type Pull =
  | { readonly outcome: 'arrived'; readonly digests: readonly string[] }
  | { readonly outcome: 'refused'; readonly terminal: string }

/** A real client. `pull` starts from nothing each time: what an earlier pull left is removed first. */
export interface Client {
  readonly name: string
  readonly pull: (reference: string) => Promise<Pull>
}

/**
 * A Docker daemon of its own, on a socket of its own, that touches neither the network set-up nor /var/lib/docker. `wrapped`
 * says how else to start it: with names or authorities of its own.
 */
export async function startDockerDaemon(
  programs: Programs,
  directory: string,
  wrapped: (command: Command) => Command = command => command,
): Promise<Server & { readonly socket: string }> {
  await mkdir(directory, { recursive: true })
  const socket = join(directory, 'docker.sock')
  // Without these a daemon would look for its configuration in /etc/docker.
  const configuration = join(directory, 'daemon.json')
  await writeFile(configuration, '{}')
  const places = {
    '--host': `unix://${socket}`,
    '--config-file': configuration,
    '--data-root': join(directory, 'data'),
    '--exec-root': join(directory, 'exec'),
    '--pidfile': join(directory, 'docker.pid'),
  }
  const network = ['--bridge=none', '--iptables=false', '--ip6tables=false', '--ip-forward=false', '--ip-masq=false']
  const args = [...Object.entries(places).flat(), ...network, '--storage-driver=vfs']
  const server = await startServer({
    ...wrapped({ program: programs.dockerd, args }),
    logFile: join(directory, 'dockerd.log'),
    isReady: async () => answersOnSocket(socket, '/_ping'),
  })
  return { ...server, socket }
}

/** docker pull, by a daemon that listens on `socket`. Registries on 127.0.0.0/8 may be plain HTTP for it. */
export function docker(programs: Programs, socket: string, directory: string): Client {
  const docker = (...args: readonly string[]): Command => ({
    program: programs.docker,
    args: ['--host', `unix://${socket}`, ...args],
    env: { DOCKER_CONFIG: join(directory, 'no-login') },
  })
  return {
    name: 'docker',
    pull: async reference => {
      await run(docker('image', 'rm', '--force', reference))
      const { exitCode, terminal } = await run(docker('pull', reference))
      if (exitCode !== 0) return { outcome: 'refused', terminal }
      const format = '{{range .RepoDigests}}{{println .}}{{end}}'
      return {
        outcome: 'arrived',
        digests: digestsIn(await must(docker('image', 'inspect', '--format', format, reference))),
      }
    },
  }
}

/** podman pull into a store of its own. */
export function podman(programs: Programs, directory: string): Client {
  const store = [
    '--root',
    join(directory, 'root'),
    '--runroot',
    join(directory, 'run'),
    '--tmpdir',
    join(directory, 'tmp'),
  ]
  const flags = [...store, '--storage-driver=vfs', '--cgroup-manager=cgroupfs', '--events-backend=none']
  const podman = async (...args: readonly string[]): Promise<Command> => ({
    program: programs.podman,
    args: [...flags, ...args],
    env: await noLogin(directory),
  })
  return {
    name: 'podman',
    pull: async reference => {
      await run(await podman('image', 'rm', '--force', reference))
      const policy = await acceptAnything(directory)
      const { exitCode, terminal } = await run(
        await podman('pull', '--tls-verify=false', '--signature-policy', policy, reference),
      )
      if (exitCode !== 0) return { outcome: 'refused', terminal }
      const format = '{{range .RepoDigests}}{{println .}}{{end}}'
      return {
        outcome: 'arrived',
        digests: digestsIn(await must(await podman('image', 'inspect', '--format', format, reference))),
      }
    },
  }
}

/**
 * skopeo copy of what this machine's platform needs, and skopeo inspect for the digest of an index: 1.9 can't copy a whole
 * index byte for byte, since it writes the list anew.
 */
export function skopeo(programs: Programs, directory: string): Client {
  return {
    name: 'skopeo',
    pull: async reference => {
      const target = await emptied(join(directory, 'pulled'))
      const digestFile = join(target, 'digest')
      const env = await noLogin(directory)
      const skopeo = (...args: readonly string[]): Command => ({ program: programs.skopeo, args, env })
      const copy = ['--insecure-policy', 'copy', '--preserve-digests', '--src-tls-verify=false']
      const { exitCode, terminal } = await run(
        skopeo(...copy, '--digestfile', digestFile, `docker://${reference}`, `dir:${join(target, 'image')}`),
      )
      if (exitCode !== 0) return { outcome: 'refused', terminal }
      const inspected = await run(skopeo('inspect', '--raw', '--tls-verify=false', `docker://${reference}`))
      if (inspected.exitCode !== 0) return { outcome: 'refused', terminal: inspected.terminal }
      const raw = createHash('sha256').update(inspected.output).digest('hex')
      return { outcome: 'arrived', digests: [`sha256:${raw}`, ...digestsIn(await readFile(digestFile, 'utf8'))] }
    },
  }
}

/** crane pull into an OCI layout. */
export function crane(programs: Programs, directory: string): Client {
  return {
    name: 'crane',
    pull: async reference => {
      const layout = join(await emptied(join(directory, 'pulled')), 'layout')
      const { exitCode, terminal } = await run({
        program: programs.crane,
        args: ['pull', '--insecure', '--format=oci', reference, layout],
        env: { DOCKER_CONFIG: join(directory, 'no-login') },
      })
      if (exitCode !== 0) return { outcome: 'refused', terminal }
      return { outcome: 'arrived', digests: digestsIn(await readFile(join(layout, 'index.json'), 'utf8')) }
    },
  }
}

function digestsIn(text: string): readonly string[] {
  return text.match(/sha256:[0-9a-f]{64}/g) ?? []
}

async function emptied(directory: string): Promise<string> {
  await rm(directory, { recursive: true, force: true })
  await mkdir(directory, { recursive: true })
  return directory
}

/** The machine's own logins stay out of it, and so do its configured mirrors and short names. */
async function noLogin(directory: string): Promise<Readonly<Record<string, string>>> {
  await mkdir(directory, { recursive: true })
  const file = join(directory, 'no-login.json')
  await writeFile(file, '{}')
  return { REGISTRY_AUTH_FILE: file, CONTAINERS_REGISTRIES_CONF: '/dev/null' }
}

/** podman's own policy: it is the gate that is tested. */
async function acceptAnything(directory: string): Promise<string> {
  await mkdir(directory, { recursive: true })
  const file = join(directory, 'accept-anything.json')
  await writeFile(file, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }))
  return file
}

/** oras copy into an OCI layout. */
export function oras(programs: Programs, directory: string): Client {
  return {
    name: 'oras',
    pull: async reference => {
      const layout = join(await emptied(join(directory, 'pulled')), 'layout')
      const { exitCode, terminal } = await run({
        program: programs.oras,
        args: ['copy', '--from-plain-http', '--to-oci-layout', reference, `${layout}:latest`],
        env: { DOCKER_CONFIG: join(directory, 'no-login') },
      })
      if (exitCode !== 0) return { outcome: 'refused', terminal }
      return { outcome: 'arrived', digests: digestsIn(await readFile(join(layout, 'index.json'), 'utf8')) }
    },
  }
}
