import { createHash } from 'node:crypto'
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { clientConfig } from '../../../src/nodes/client-config/generate.ts'
import type { Buildkitd } from './buildkitd.ts'
import { helmHome } from './charts.ts'
import { writeNode, type Containerd } from './containerd.ts'
import type { Command } from './processes.ts'
import { commandClient, emptied, type Commands, type LoginClient } from './login-client.ts'
import type { WithHosts } from './private-hosts.ts'
import type { Programs } from './programs.ts'

export type Surroundings = {
  readonly programs: Programs
  /** A directory of the clients' own. */
  readonly directory: string
  /** host:port of the gate. */
  readonly gate: string
  /** What stands before the repository in names through the gate: `registry.example/`, or nothing by a host name for one. */
  readonly path: string
  /** How the clients find the gate's name. */
  readonly withHosts: WithHosts
  /** The authority's certificate, PEM. */
  readonly caFile: string
  readonly dockerSocket: string
  readonly containerd: Containerd
  /** Where there is one. */
  readonly buildkitd: Buildkitd | undefined
  /** The registry that containerd knows the images of: it may be the gate itself. */
  readonly registry: string
}

/** docker (pull, and build by both of its builders), buildkitd, podman, skopeo, crane, oras, helm and containerd, each with its own way to a login and to an authority. */
export async function loginClients(surroundings: Surroundings): Promise<readonly LoginClient[]> {
  const { programs, directory, gate, path, withHosts, caFile, dockerSocket } = surroundings
  // podman and skopeo take a directory in which any *.crt is an authority.
  const certificates = join(directory, 'certs')
  await mkdir(certificates, { recursive: true })
  await copyFile(caFile, join(certificates, 'ca.crt'))
  const accept = join(directory, 'accept-anything.json')
  await writeFile(accept, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }))
  const places = ['root', 'runroot', 'tmpdir'].flatMap(name => [`--${name}`, join(directory, name)])
  const store = [...places, '--storage-driver=vfs', '--cgroup-manager=cgroupfs', '--events-backend=none']
  // podman wants the file to be there.
  for (const name of ['podman', 'skopeo']) await writeFile(join(directory, `${name}.json`), '{}')
  const authFile = (name: string): Readonly<Record<string, string>> => ({
    REGISTRY_AUTH_FILE: join(directory, `${name}.json`),
    CONTAINERS_REGISTRIES_CONF: '/dev/null',
  })
  const user = (name: string, password: string): readonly string[] => ['--username', name, '--password', password]
  const repoDigests = '{{range .RepoDigests}}{{println .}}{{end}}'

  const docker = (...args: readonly string[]): Command => ({
    program: programs.docker,
    args: ['--host', `unix://${dockerSocket}`, ...args],
    env: { DOCKER_CONFIG: join(directory, 'docker') },
  })
  const context = await buildContext(directory)
  const build = (program: string, builder: '0' | '1', args: readonly string[]): Command => {
    const { env } = docker()
    const flags = ['build', '--pull', '--no-cache', ...args, context]
    return {
      program,
      args: ['--host', `unix://${dockerSocket}`, ...flags],
      env: { ...env, DOCKER_BUILDKIT: builder },
    }
  }
  const podman = (...args: readonly string[]): Command => ({
    program: programs.podman,
    args: [...store, ...args],
    env: authFile('podman'),
  })
  const skopeo = (...args: readonly string[]): Command => ({ program: programs.skopeo, args, env: authFile('skopeo') })
  const crane = (...args: readonly string[]): Command => ({
    program: programs.crane,
    args,
    env: { DOCKER_CONFIG: join(directory, 'crane'), SSL_CERT_FILE: caFile },
  })
  const oras = (...args: readonly string[]): Command => ({
    program: programs.oras,
    args,
    env: { DOCKER_CONFIG: join(directory, 'oras') },
  })
  const helm = (...args: readonly string[]): Command => ({ program: programs.helm, args, env: helmHome(directory) })

  const written = (name: string): string => join(directory, `${name}-pulled`)
  const index = async (name: string): Promise<string> => readFile(join(written(name), 'index.json'), 'utf8')

  const client = (commands: Commands): LoginClient => commandClient(commands, { prefix: `${gate}/${path}`, withHosts })
  return [
    client({
      name: 'docker',
      login: password => docker('login', ...user('docker', password), gate),
      logout: docker('logout', gate),
      before: [docker('image', 'prune', '--all', '--force')],
      pull: reference => [docker('pull', reference), docker('image', 'inspect', '--format', repoDigests, reference)],
    }),
    client({
      name: 'docker-build',
      login: password => docker('login', ...user('docker-build', password), gate),
      logout: docker('logout', gate),
      before: [docker('image', 'prune', '--all', '--force')],
      pull: reference => [build(programs.docker, '0', ['--build-arg', `FROM=${reference}`])],
    }),
    client({
      name: 'buildkit',
      login: password => docker('login', ...user('buildkit', password), gate),
      logout: docker('logout', gate),
      before: [docker('builder', 'prune', '--all', '--force'), docker('image', 'prune', '--all', '--force')],
      pull: reference => [
        build(programs.dockerBuildkit, '1', ['--progress=plain', '--build-arg', `FROM=${reference}`]),
      ],
    }),
    ...(surroundings.buildkitd === undefined ? [] : [surroundings.buildkitd]).map(({ build }) =>
      client({
        name: 'buildkitd',
        login: password => docker('login', ...user('buildkitd', password), gate),
        logout: docker('logout', gate),
        pull: reference => [{ ...docker(), ...build(context, `FROM=${reference}`) }],
      }),
    ),
    client({
      name: 'podman',
      login: password => podman('login', '--cert-dir', certificates, ...user('podman', password), gate),
      logout: podman('logout', gate),
      before: [podman('image', 'rm', '--all', '--force')],
      pull: reference => [
        podman('pull', '--cert-dir', certificates, '--signature-policy', accept, reference),
        podman('image', 'inspect', '--format', repoDigests, reference),
      ],
    }),
    client({
      name: 'skopeo',
      login: password => skopeo('login', '--cert-dir', certificates, ...user('skopeo', password), gate),
      logout: skopeo('logout', gate),
      pull: reference => [
        skopeo(
          '--insecure-policy',
          'copy',
          '--preserve-digests',
          '--src-cert-dir',
          certificates,
          `docker://${reference}`,
          `dir:${written('skopeo')}`,
        ),
        skopeo('inspect', '--raw', '--cert-dir', certificates, `docker://${reference}`),
      ],
      // An index as it is upstream: the copy has only this machine's part of it.
      digests: async raw => `sha256:${createHash('sha256').update(raw).digest('hex')}`,
    }),
    client({
      name: 'crane',
      login: password => crane('auth', 'login', ...user('crane', password), gate),
      logout: crane('auth', 'logout', gate),
      pull: reference => [crane('pull', '--format=oci', reference, written('crane'))],
      digests: async () => index('crane'),
    }),
    client({
      name: 'oras',
      login: password => oras('login', '--ca-file', caFile, ...user('oras', password), gate),
      logout: oras('logout', gate),
      pull: reference => [oras('copy', '--from-ca-file', caFile, '--to-oci-layout', reference, `${written('oras')}:x`)],
      digests: async () => index('oras'),
    }),
    client({
      name: 'helm',
      pulls: 'charts',
      login: password => helm('registry', 'login', '--ca-file', caFile, ...user('helm', password), gate),
      logout: helm('registry', 'logout', gate),
      pull: reference => {
        const colon = reference.lastIndexOf(':')
        const chart = [`oci://${reference.slice(0, colon)}`, '--version', reference.slice(colon + 1)]
        return [helm('pull', ...chart, '--ca-file', caFile, '--destination', written('helm'))]
      },
    }),
    await containerdClient(surroundings),
  ].map(client => emptied(client, written(client.name)))
}

/** A Dockerfile that takes its base from outside and needs nothing run. */
async function buildContext(directory: string): Promise<string> {
  const context = join(directory, 'context')
  await mkdir(context, { recursive: true })
  await writeFile(join(context, 'Dockerfile'), 'ARG FROM=scratch\nFROM ${FROM}\nCOPY added /added\n')
  await writeFile(join(context, 'added'), 'added\n')
  return context
}

/** ctr sends a login with each pull, and keeps none. The authority is in hosts.toml. */
async function containerdClient({ directory, gate, caFile, containerd, registry }: Surroundings): Promise<LoginClient> {
  const config = clientConfig('containerd', {
    registries: [registry],
    gate: { host: gate, tls: true, caPath: caFile },
  })
  const certsD = await writeNode(join(directory, 'node'), config.files)
  return {
    name: 'containerd',
    pulls: 'images',
    pull: async (image, password) =>
      containerd.pull(`${registry}/${image}`, certsD, password === undefined ? undefined : `containerd:${password}`),
  }
}
