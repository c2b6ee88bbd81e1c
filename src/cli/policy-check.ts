import { resolve } from 'node:path'
import { formatProblem } from '../json/decode.ts'
import { parsePolicy } from '../policy/parse-policy.ts'
import { loadSnapshot } from '../trust/load-snapshot.ts'
import { readLocalFile } from '../trust/local-file.ts'
import { TrustError } from '../trust/trust-error.ts'
import { EXIT, type Terminal } from './terminal.ts'

const MAX_POLICY_BYTES = 64 * 1024 * 1024

/** `sealgate policy check FILE`: every error with path, line and column; warnings where something is probably not meant. */
export async function checkPolicy(
  file: string,
  depth: 'policy-only' | 'with-keys',
  terminal: Terminal,
): Promise<number> {
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
    if (depth === 'with-keys') {
      const options = { policy: { kind: 'file', path: resolve(file) }, settings: [], askBroker: undefined } as const
      await loadSnapshot(options, AbortSignal.timeout(60_000))
    }
    terminal.stdout(`${file}: a valid policy\n`)
    return EXIT.ok
  } catch (error) {
    if (!(error instanceof TrustError)) throw error
    for (const problem of error.problems) terminal.stderr(`${problem}\n`)
    return EXIT.failed
  }
}
