import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { answers, freePort, startServer, type Server } from './processes.ts'

/** Sealgate as its user starts it; `host` is the host:port that clients pull from. */
export interface Gate extends Server {
  readonly host: string
  readonly adminUrl: string
}

/** Where the checkout is. */
export const checkout: string = join(import.meta.dirname, '..', '..', '..')

/**
 * Starts `sealgate serve --config FILE` from the checkout, and waits for /readyz. `policy` is a policy.json's content, or
 * the path of one. `configuration` is what the configuration file holds beside listen, admin and policy.
 */
export async function startGate(
  directory: string,
  { configuration, policy }: { readonly configuration: object; readonly policy: object | string },
): Promise<Gate> {
  await mkdir(directory, { recursive: true })
  const host = `127.0.0.1:${await freePort()}`
  const admin = `127.0.0.1:${await freePort()}`
  const policyFile = typeof policy === 'string' ? policy : join(directory, 'policy.json')
  if (typeof policy !== 'string') await writeFile(policyFile, JSON.stringify(policy, null, 2))
  const file = join(directory, 'sealgate.yaml')
  // JSON is YAML too.
  await writeFile(file, JSON.stringify({ listen: host, admin, policy: policyFile, ...configuration }, null, 2))
  const server = await startServer({
    program: process.execPath,
    // tap's NODE_OPTIONS would keep Node's warnings out of the log.
    args: ['--warnings', join(checkout, 'src', 'main.ts'), 'serve', '--config', file],
    logFile: join(directory, 'sealgate.log'),
    isReady: async () => answers(`http://${admin}/readyz`),
  })
  return { ...server, host, adminUrl: `http://${admin}` }
}
