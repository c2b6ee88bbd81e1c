import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { checkout } from './gate.ts'
import { answers, freePort, startServer, type Server } from './processes.ts'

export interface Replica {
  readonly url: string
  readonly adminUrl: string
  /** How often it was started: what it had in memory went with each. */
  readonly incarnation: () => number
  readonly kill: () => Promise<void>
  readonly start: () => Promise<void>
}

/** So many gates with one configuration, each a process of its own on addresses that it keeps. */
export async function startReplicas(
  t: { readonly teardown: (handler: () => unknown) => void },
  options: {
    readonly directory: string
    readonly count: number
    readonly policy: object
    readonly redisPort: number
    readonly timeoutMs: number
    readonly configuration: object
  },
): Promise<readonly Replica[]> {
  const { directory } = options
  await mkdir(directory, { recursive: true })
  const hmacKeyFile = join(directory, 'shared-secret')
  await writeFile(hmacKeyFile, randomBytes(32).toString('hex'), { mode: 0o600 })
  const policy = join(directory, 'policy.json')
  await writeFile(policy, JSON.stringify(options.policy))
  const shared = { url: `redis://127.0.0.1:${options.redisPort}`, hmacKeyFile, timeoutMs: options.timeoutMs }
  const replicas = await Promise.all(
    Array.from({ length: options.count }, async (_, at) => {
      const [listen, admin] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`]
      const file = join(directory, `sealgate-${at}.yaml`)
      await writeFile(file, JSON.stringify({ listen, admin, policy, shared, log: 'warn', ...options.configuration }))
      let server: Server | undefined
      let incarnation = 0
      const start = async (): Promise<void> => {
        server = await startServer({
          program: process.execPath,
          args: [join(checkout, 'src', 'main.ts'), 'serve', '--config', file],
          logFile: join(directory, `sealgate-${at}.log`),
          isReady: async () => answers(`http://${admin}/readyz`),
        })
        incarnation += 1
      }
      const kill = async (): Promise<void> => {
        await server?.kill()
        server = undefined
      }
      t.teardown(kill)
      return { url: `http://${listen}`, adminUrl: `http://${admin}`, incarnation: () => incarnation, kill, start }
    }),
  )
  await Promise.all(replicas.map(replica => replica.start()))
  return replicas
}
