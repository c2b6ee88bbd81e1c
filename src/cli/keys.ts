import type { Requirement } from '../policy/policy.ts'
import type { Snapshot } from '../trust/snapshot.ts'
import { EXIT, type Terminal } from './terminal.ts'
import { withEngine } from './with-engine.ts'

type KeyRow = { readonly scope: string; readonly key: string; readonly from: string; readonly fingerprint: string }

/** `sealgate keys`: for each scope of the policy in force, its keys, where they came from, and their fingerprints. */
export async function listKeys(configFile: string, format: 'table' | 'json', terminal: Terminal): Promise<number> {
  return withEngine(configFile, terminal, async ({ snapshots }) => {
    const rows = keyRows(await snapshots.current())
    terminal.stdout(format === 'json' ? `${JSON.stringify(rows, undefined, 2)}\n` : keyTable(rows))
    return EXIT.ok
  })
}

export function keyRows(snapshot: Snapshot): readonly KeyRow[] {
  const { policy } = snapshot
  const rows = policy.default.flatMap(requirement => rowsOf('default', requirement, snapshot))
  for (const [transport, scopes] of policy.transports) {
    for (const [scope, requirements] of scopes) {
      const name = scope === '' ? `${transport} (default)` : `${transport} ${scope}`
      rows.push(...requirements.flatMap(requirement => rowsOf(name, requirement, snapshot)))
    }
  }
  return rows
}

function rowsOf(scope: string, requirement: Requirement, snapshot: Snapshot): readonly KeyRow[] {
  const trust = snapshot.trust.get(requirement)
  if (trust?.by !== 'keys' || requirement.type !== 'sigstoreSigned' || requirement.signer.by !== 'keys') return []
  const source = requirement.signer.keys
  return trust.keys.map((key, index) => {
    const place = source.from === 'data' ? source.field : (source.places[index] ?? key.name)
    const from = source.from === 'data' ? 'policy' : snapshot.materials.find(material => material.place === place)?.from
    return { scope, key: place, from: from ?? 'policy', fingerprint: `SHA256:${key.fingerprint}` }
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
