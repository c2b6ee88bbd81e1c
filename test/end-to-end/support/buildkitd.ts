import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { WithHosts } from './private-hosts.ts'
import { answersOn, startServer, type Command, type Server } from './processes.ts'

export type BuildkitPrograms = { readonly buildkitd: string; readonly buildctl: string }

export interface Buildkitd extends Server {
  /** buildctl, building the Dockerfile in `context` with that build argument. */
  readonly build: (context: string, argument: string) => Command
}

export type BuildkitdOptions = {
  readonly directory: string
  readonly withHosts: WithHosts
  /** host:port of those whose certificates `caFile` is the authority of. */
  readonly hosts: readonly string[]
  readonly caFile: string
}

/** A buildkitd of its own, that needs no network of its own and runs nothing. */
export async function startBuildkitd(
  { buildkitd, buildctl }: BuildkitPrograms,
  { directory, withHosts, hosts, caFile }: BuildkitdOptions,
): Promise<Buildkitd> {
  await mkdir(directory, { recursive: true })
  const socket = join(directory, 'buildkitd.sock')
  const file = join(directory, 'buildkitd.toml')
  const lines = [
    `root = "${join(directory, 'root')}"`,
    '[grpc]',
    `  address = ["unix://${socket}"]`,
    '[worker.containerd]',
    '  enabled = false',
    '[worker.oci]',
    '  snapshotter = "native"',
    '  networkMode = "host"',
    ...hosts.flatMap(host => [`[registry."${host}"]`, `  ca = ["${caFile}"]`]),
    '',
  ]
  await writeFile(file, lines.join('\n'))
  const server = await startServer({
    ...withHosts({ program: buildkitd, args: ['--config', file] }),
    logFile: join(directory, 'buildkitd.log'),
    isReady: async () => answersOn(socket),
  })
  const flags = ['--addr', `unix://${socket}`, 'build', '--no-cache', '--progress=plain', '--frontend=dockerfile.v0']
  return {
    ...server,
    build: (context, argument) => {
      const places = ['--local', `context=${context}`, '--local', `dockerfile=${context}`]
      return { program: buildctl, args: [...flags, ...places, '--opt', `build-arg:${argument}`] }
    },
  }
}
