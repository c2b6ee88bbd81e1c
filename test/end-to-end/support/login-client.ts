import { mkdir, rm } from 'node:fs/promises'
import type { Pull } from './clients.ts'
import type { WithHosts } from './private-hosts.ts'
import { run as runCommand, type Command, type Outcome } from './processes.ts'

/** A client that its user logs in with, and that trusts the gate's certificate by its authority. Its login is its own name. */
export type LoginClient = {
  readonly name: string
  readonly pulls: 'images' | 'charts'
  /** Logs in, pulls `image` (repository:tag) through the gate into an empty place, and logs out. No password: no login. */
  readonly pull: (image: string, password?: string) => Promise<Pull>
}

/** A client by its command lines. */
export type Commands = {
  readonly name: string
  readonly pulls?: LoginClient['pulls']
  readonly login: (password: string) => Command
  readonly logout: Command
  /** What removes what an earlier pull left. */
  readonly before?: readonly Command[]
  /** One after the other, until one fails; the last one's output says which digests arrived, or `digests` makes them of it. */
  readonly pull: (reference: string) => readonly Command[]
  readonly digests?: (output: string) => Promise<string>
}

/** `prefix` stands before the repository in the names that the client is given. */
export function commandClient(
  { name, pulls = 'images', before = [], ...commands }: Commands,
  { prefix, withHosts }: { readonly prefix: string; readonly withHosts: WithHosts },
): LoginClient {
  const run = async (command: Command): Promise<Outcome> => runCommand(withHosts(command))
  const attempt = async (reference: string): Promise<Pull> => {
    let last: Outcome | undefined
    for (const command of commands.pull(reference)) {
      last = await run(command)
      if (last.exitCode !== 0) return { outcome: 'refused', terminal: last.terminal }
    }
    const said = last?.terminal ?? ''
    const text = commands.digests === undefined ? said : await commands.digests(last?.output ?? '')
    return { outcome: 'arrived', digests: text.match(/sha256:[0-9a-f]{64}/g) ?? [] }
  }
  return {
    name,
    pulls,
    pull: async (image, password) => {
      for (const command of before) await run(command)
      if (password !== undefined) {
        const login = await run(commands.login(password))
        if (login.exitCode !== 0) return { outcome: 'refused', terminal: login.terminal }
      }
      const pull = await attempt(`${prefix}${image}`)
      if (password !== undefined) await run(commands.logout)
      return pull
    },
  }
}

/** The client with `target` empty before each of its pulls. */
export function emptied(client: LoginClient, target: string): LoginClient {
  return {
    ...client,
    pull: async (image, password) => {
      await rm(target, { recursive: true, force: true })
      await mkdir(target, { recursive: true })
      return client.pull(image, password)
    },
  }
}
