import { keyRows, type KeyRow } from '../trust/key-rows.ts'
import { EXIT, type Terminal } from './terminal.ts'
import { withEngine } from './with-engine.ts'

/** `sealgate keys`: for each scope of the policy in force, its keys, where they came from, and their fingerprints. */
export async function listKeys(configFile: string, format: 'table' | 'json', terminal: Terminal): Promise<number> {
  return withEngine(configFile, terminal, async ({ snapshots }) => {
    const rows = keyRows(await snapshots.current())
    terminal.stdout(format === 'json' ? `${JSON.stringify(rows, undefined, 2)}\n` : keyTable(rows))
    return EXIT.ok
  })
}

export function keyTable(rows: readonly KeyRow[]): string {
  if (rows.length === 0) return 'the policy names no keys\n'
  const lines = [{ scope: 'SCOPE', key: 'KEY', from: 'FROM', fingerprint: 'FINGERPRINT (SHA-256 of the DER)' }, ...rows]
  const width = (column: 'scope' | 'key' | 'from'): number => Math.max(...lines.map(row => row[column].length))
  const [scope, key, from] = [width('scope'), width('key'), width('from')]
  return lines
    .map(row => `${row.scope.padEnd(scope)}  ${row.key.padEnd(key)}  ${row.from.padEnd(from)}  ${row.fingerprint}\n`)
    .join('')
}
