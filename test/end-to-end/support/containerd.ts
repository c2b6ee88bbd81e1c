import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { NodeFile } from '../../../src/nodes/client-config/client-config.ts'
import type { Pull } from './clients.ts'
import { answersOn, must, run, startServer, type Command, type Server } from './processes.ts'

/** The programs that come with containerd. */
export type ContainerdPrograms = { readonly containerd: string; readonly ctr: string }

export interface Containerd extends Server {
  readonly socket: string
  /**
   * `ctr images pull` of a name as it is known, by the hosts.toml files below `certsD`, with nothing there from before.
   * A login is `user:password`.
   */
  readonly pull: (reference: string, certsD: string, login?: string) => Promise<Pull>
}

/**
 * A containerd of its own: its directories and socket are below `directory`, and it has neither CRI nor anything to run.
 * `wrapped` says how else to run it and ctr: up to 1.7 it is ctr that asks registries, from 2.0 on the daemon.
 */
export async function startContainerd(
  programs: ContainerdPrograms,
  directory: string,
  wrapped: (command: Command) => Command = command => command,
): Promise<Containerd> {
  await mkdir(directory, { recursive: true })
  const socket = join(directory, 'containerd.sock')
  const file = join(directory, 'config.toml')
  const lines = [
    'version = 2',
    `root = "${join(directory, 'root')}"`,
    `state = "${join(directory, 'state')}"`,
    'disabled_plugins = ["io.containerd.grpc.v1.cri"]',
    '[grpc]',
    `  address = "${socket}"`,
    '[ttrpc]',
    `  address = "${socket}.ttrpc"`,
    '',
  ]
  await writeFile(file, lines.join('\n'))
  const server = await startServer({
    ...wrapped({ program: programs.containerd, args: ['--config', file] }),
    logFile: join(directory, 'containerd.log'),
    isReady: async () => answersOn(socket),
  })
  const ctr = (...args: readonly string[]): Command =>
    wrapped({ program: programs.ctr, args: ['--address', socket, '--namespace', 'test', ...args] })
  return {
    ...server,
    socket,
    pull: async (reference, certsD, login) => {
      await run(ctr('images', 'rm', '--sync', reference))
      const flags = ['--snapshotter', 'native', '--all-platforms', '--hosts-dir', certsD]
      if (login !== undefined) flags.push('--user', login)
      const { exitCode, terminal } = await run(ctr('images', 'pull', ...flags, reference))
      if (exitCode !== 0) return { outcome: 'refused', terminal }
      const listed = await must(ctr('images', 'ls', `name==${reference}`))
      return { outcome: 'arrived', digests: listed.match(/sha256:[0-9a-f]{64}/g) ?? [] }
    },
  }
}

/** Puts the files that `sealgate client-config` made for /etc/containerd into a directory; gives its certs.d. */
export async function writeNode(root: string, files: readonly NodeFile[]): Promise<string> {
  for (const { path, content } of files) {
    const target = join(root, path)
    await mkdir(dirname(target), { recursive: true })
    await writeFile(target, content)
  }
  return join(root, 'etc/containerd/certs.d')
}
