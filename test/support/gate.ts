import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createGate, type Gate } from '../../src/app.ts'
import { parseConfig } from '../../src/config/config.ts'
import { createLogger, type Logger } from '../../src/observe/logger.ts'

type Teardown = { readonly teardown: (handler: () => unknown) => void }

/** A directory that is gone when the test is over. */
export function temporaryDirectory(t: Teardown): string {
  const directory = mkdtempSync(join(tmpdir(), 'sealgate-test-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

export type RunningGate = { readonly gate: Gate; readonly url: string; readonly adminUrl: string }

/**
 * The gate as `npm start` runs it, on free ports, from a configuration as it stands in a file (with absolute paths). It
 * stops when the test is over.
 */
export async function startGate(
  t: Teardown,
  config: Readonly<Record<string, unknown>>,
  logger: Logger = createLogger('silent'),
): Promise<RunningGate> {
  const parsed = parseConfig({ listen: '127.0.0.1:0', admin: '127.0.0.1:0', shutdownSeconds: 1, ...config })
  if (!parsed.ok) throw new Error(parsed.problems.join('\n'))
  const gate = await createGate(parsed.config, logger)
  t.teardown(() => gate.close())
  await gate.engine.snapshots.start().catch((error: unknown) => {
    if (parsed.config.keyBroker === undefined && parsed.config.tuf === undefined) throw error
  })
  const addresses = await gate.listen()
  return { gate, url: addresses.registry, adminUrl: addresses.admin }
}

/** Writes a policy file into a directory and gives its path. */
export function writePolicy(directory: string, policy: unknown, name = 'policy.json'): string {
  const path = join(directory, name)
  writeFileSync(path, typeof policy === 'string' ? policy : JSON.stringify(policy))
  return path
}
