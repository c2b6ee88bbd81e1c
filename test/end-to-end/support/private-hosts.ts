import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from './processes.ts'

/** Makes a command one that runs with an /etc/hosts of its own. */
export type WithHosts = (command: Command) => Command

/**
 * Names that stand for 127.0.0.1, for the commands that are told so and for nobody else: each runs in a mount namespace of its
 * own in which `directory`/hosts lies over /etc/hosts. Needs root.
 */
export async function privateHosts(directory: string, names: readonly string[]): Promise<WithHosts> {
  const file = join(directory, 'hosts')
  await writeFile(file, ['localhost', ...names].map(name => `127.0.0.1 ${name}\n`).join(''))
  return command => inPrivateMounts(command, [{ from: file, over: '/etc/hosts' }])
}

/** Runs a command in a mount namespace of its own, with files or directories laid over others that are there. Needs root. */
export function inPrivateMounts(
  { program, args, env }: Command,
  mounts: readonly { readonly from: string; readonly over: string }[],
): Command {
  const script = [
    ...mounts.map((_, at) => `mount --bind "$${2 * at + 1}" "$${2 * at + 2}"`),
    `shift ${2 * mounts.length}`,
  ]
  const paths = mounts.flatMap(({ from, over }) => [from, over])
  return {
    program: 'unshare',
    args: ['--mount', 'sh', '-ec', [...script, 'exec "$@"'].join('\n'), 'sh', ...paths, program, ...args],
    ...(env && { env }),
  }
}
