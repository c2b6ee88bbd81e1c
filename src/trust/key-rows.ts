import type { MaterialSource, Requirement, SigstoreSigner } from '../policy/policy.ts'
import type { TrustedKey } from '../signatures/public-key.ts'
import type { TrustMaterial } from '../signatures/trust-material.ts'
import type { Certificate } from '../signatures/x509/certificate.ts'
import type { Snapshot } from './snapshot.ts'

/** One key, keyring key or CA that a scope of the policy trusts: where it came from, and its fingerprint. */
export type KeyRow = {
  readonly scope: string
  readonly key: string
  readonly from: string
  /** `SHA256:` and the hash of the DER, or `GPG:` and the key's own fingerprint. */
  readonly fingerprint: string
}

/** Everything that the policy in force trusts, scope by scope. */
export function keyRows(snapshot: Snapshot): readonly KeyRow[] {
  const { policy } = snapshot
  const origins = new Map(snapshot.materials.map(({ place, from }) => [place, from]))
  const rows = policy.default.flatMap(requirement => rowsOf('default', requirement, snapshot, origins))
  for (const [transport, scopes] of policy.transports) {
    for (const [scope, requirements] of scopes) {
      const name = scope === '' ? `${transport} (default)` : `${transport} ${scope}`
      rows.push(...requirements.flatMap(requirement => rowsOf(name, requirement, snapshot, origins)))
    }
  }
  return rows
}

type Trusted = { readonly source: MaterialSource; readonly fingerprints: readonly string[] }

function rowsOf(
  scope: string,
  requirement: Requirement,
  snapshot: Snapshot,
  origins: ReadonlyMap<string, string>,
): readonly KeyRow[] {
  const trust = snapshot.trust.get(requirement)
  if (trust === undefined) return []
  return trustedBy(requirement, trust).flatMap(({ source, fingerprints }) => {
    const places = source.from === 'data' ? [source.field] : source.places
    return fingerprints.map((fingerprint, index) => {
      // One key a place; where a place holds several (a keyring, a list of CAs), they are listed under all of them.
      const key = fingerprints.length === places.length ? (places[index] ?? '') : places.join(', ')
      const from = origins.get(places[0] ?? '') ?? 'policy'
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
