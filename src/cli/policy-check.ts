import { resolve } from 'node:path'
import { formatProblem } from '../json/decode.ts'
import { parsePolicy } from '../policy/parse-policy.ts'
import { openAskBroker } from '../assembly/open-snapshot-keeper.ts'
import { openTuf } from '../assembly/open-tuf.ts'
import { ConfigError, loadConfig } from '../config/load-config.ts'
import { loadSnapshot } from '../trust/load-snapshot.ts'
import { readLocalFile } from '../trust/local-file.ts'
import { TrustError } from '../trust/trust-error.ts'
import { keyRows } from '../trust/key-rows.ts'
import { keyTable } from './keys.ts'
import { EXIT, type Terminal } from './terminal.ts'

/** Whether the keys that the policy names are read as well, and whose key broker is asked for what is not on the disk. */
export type CheckDepth =
  { readonly keys: 'ignore' } | { readonly keys: 'follow'; readonly configFile: string | undefined }

const LOAD_MS = 60_000
const MAX_POLICY_BYTES = 64 * 1024 * 1024

/** `sealgate policy check FILE`: every error with path, line and column; warnings where something is probably not meant. */
export async function checkPolicy(file: string, depth: CheckDepth, terminal: Terminal): Promise<number> {
  try {
    const { bytes } = await readLocalFile(resolve(file), MAX_POLICY_BYTES)
    if (bytes === undefined) {
      terminal.stderr(`${file}: no such file\n`)
      return EXIT.failed
    }
    const parsed = parsePolicy(bytes)
    if (!parsed.ok) {
      for (const problem of parsed.problems) terminal.stderr(`${file}: ${formatProblem(problem)}\n`)
      return EXIT.failed
    }
    for (const warning of parsed.value.warnings) terminal.stdout(`${file}: warning: ${warning}\n`)
    if (depth.keys === 'follow') await followKeys(file, depth.configFile, terminal)
    terminal.stdout(`${file}: a valid policy\n`)
    return EXIT.ok
  } catch (error) {
    if (!(error instanceof TrustError || error instanceof ConfigError)) throw error
    for (const problem of error.problems) terminal.stderr(`${problem}\n`)
    return EXIT.failed
  }
}

/** Loads the policy with all its keys, as the gate would, and lists them. @throws TrustError, ConfigError */
async function followKeys(file: string, configFile: string | undefined, terminal: Terminal): Promise<void> {
  const config = configFile === undefined ? undefined : await loadConfig(configFile)
  const tuf = config?.tuf && (await openTuf(config.tuf))
  const broker = config?.keyBroker && openAskBroker(config.keyBroker)
  try {
    const policy = { kind: 'file', path: resolve(file) } as const
    const options = { policy, settings: [], askBroker: broker?.ask, askTuf: tuf?.ask }
    const { snapshot } = await loadSnapshot(options, AbortSignal.timeout(LOAD_MS))
    terminal.stdout(keyTable(keyRows(snapshot)))
  } finally {
    broker?.close()
    await tuf?.close()
  }
}
