import type { MaterialSource, Requirement, SigstoreSigner } from '../policy/policy.ts'
import type { TrustedKey } from '../signatures/public-key.ts'
import type { TrustMaterial } from '../signatures/trust-material.ts'
import type { Certificate } from '../signatures/x509/certificate.ts'
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

type Trusted = { readonly source: MaterialSource; readonly fingerprints: readonly string[] }

function rowsOf(scope: string, requirement: Requirement, snapshot: Snapshot): readonly KeyRow[] {
  const trust = snapshot.trust.get(requirement)
  if (trust === undefined) return []
  return trustedBy(requirement, trust).flatMap(({ source, fingerprints }) => {
    const places = source.from === 'data' ? [source.field] : source.places
    return fingerprints.map((fingerprint, index) => {
      // One key a place; where a place holds several (a keyring, a list of CAs), they are listed under all of them.
      const key = fingerprints.length === places.length ? (places[index] ?? '') : places.join(', ')
      const from = snapshot.materials.find(({ place }) => place === places[0])?.from ?? 'policy'
      return { scope, key, from, fingerprint }
    })
  })
}

/** Each piece of trust material that a requirement names, with the fingerprints of what is in it. */
function trustedBy(requirement: Requirement, trust: TrustMaterial): readonly Trusted[] {
  switch (trust.by) {
    case 'keys':
    case 'fulcio':
    case 'pki':
      return requirement.type === 'sigstoreSigned' ? sigstoreTrust(requirement.signer, trust) : []
    case 'gpg':
      if (requirement.type !== 'signedBy') return []
      return [
        {
          source: requirement.keyring,
          fingerprints: trust.keyring.fingerprints.map(one => `GPG:${one.toUpperCase()}`),
        },
      ]
    case 'identity':
      return requirement.type === 'sealgate.sigstoreIdentity'
        ? [
            {
              source: requirement.trustedRoot,
              fingerprints: trust.trustedRoot.certificateAuthorities.flatMap(({ chain }) =>
                chain.slice(-1).map(ofCertificate),
              ),
            },
          ]
        : []
    case 'unbuilt':
      return []
  }
}

function sigstoreTrust(
  signer: SigstoreSigner,
  trust: Extract<TrustMaterial, { by: 'keys' | 'fulcio' | 'pki' }>,
): readonly Trusted[] {
  const rekorKeys = trust.by === 'pki' ? undefined : trust.rekorKeys
  const rekor = signer.by === 'pki' ? [] : listed(signer.rekorKeys, rekorKeys?.map(ofKey))
  switch (signer.by) {
    case 'keys':
      return [...listed(signer.keys, trust.by === 'keys' ? trust.keys.map(ofKey) : undefined), ...rekor]
    case 'fulcio':
      return [...listed(signer.ca, trust.by === 'fulcio' ? trust.trust.roots.map(ofCertificate) : undefined), ...rekor]
    case 'pki': {
      const pki = trust.by === 'pki' ? trust.trust : undefined
      return [
        ...listed(signer.caRoots, pki?.roots.map(ofCertificate)),
        ...listed(signer.caIntermediates, pki?.intermediates.map(ofCertificate)),
      ]
    }
  }
}

function listed(source: MaterialSource | undefined, fingerprints: readonly string[] | undefined): readonly Trusted[] {
  return source === undefined || fingerprints === undefined ? [] : [{ source, fingerprints }]
}

function ofKey({ fingerprint }: TrustedKey): string {
  return `SHA256:${fingerprint}`
}

function ofCertificate({ x509 }: Certificate): string {
  return `SHA256:${x509.fingerprint256.replaceAll(':', '').toLowerCase()}`
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
