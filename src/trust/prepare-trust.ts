import { shortName } from '../policy/format.ts'
import type { MaterialSource, Requirement, SigstoreSigner } from '../policy/policy.ts'
import { parseCaCertificates } from '../signatures/certificate-trust.ts'
import type { GpgKeyring } from '../signatures/gpg-keyring.ts'
import { parsePublicKeyPem, type TrustedKey } from '../signatures/public-key.ts'
import type { TrustMaterial } from '../signatures/trust-material.ts'
import { parseTrustedRoot, type TrustedRoot } from '../signatures/trusted-root.ts'
import type { Certificate } from '../signatures/x509/certificate.ts'
import { materialKey, type LoadedMaterial, type MaterialKind } from './snapshot.ts'

/**
 * Makes trust material out of the bytes that requirements name, each piece once however many requirements share it. One
 * bad key spoils its requirement, and with it the snapshot: a key that is silently dropped is a signer silently refused
 * (case 49).
 *
 * @returns a function that gives undefined for requirements that trust nobody, and throws KeyError or TrustMaterialError
 */
export function trustPreparer(
  materials: ReadonlyMap<string, LoadedMaterial>,
): (requirement: Requirement) => Promise<TrustMaterial | undefined> {
  const parsedKeys = new Map<string, TrustedKey>()
  const keyrings = new Map<string, Promise<GpgKeyring>>()

  function keysOf(kind: MaterialKind, source: MaterialSource): readonly TrustedKey[] {
    if (source.from === 'data') return source.data.map(bytes => parsePublicKeyPem(bytes, source.field))
    return source.places.map(place => {
      const id = materialKey(kind, place)
      const known = parsedKeys.get(id)
      if (known !== undefined) return known
      const material = materials.get(id)
      if (material === undefined) throw new Error(`${place} was not loaded`)
      const key = parsePublicKeyPem(material.bytes, shortName(place))
      parsedKeys.set(id, key)
      return key
    })
  }

  /** The keys of all its files together, as containers/image takes them. */
  async function keyringOf(source: MaterialSource): Promise<GpgKeyring> {
    const { parseGpgKeyring } = await import('../signatures/gpg-keyring.ts')
    const name = source.from === 'data' ? source.field : source.places.map(shortName).join(', ')
    if (source.from === 'data') return parseGpgKeyring(source.data, name)
    const id = source.places.join('\n')
    const keyring = keyrings.get(id) ?? parseGpgKeyring(bytesOf('gpg-keyring', source), name)
    keyrings.set(id, keyring)
    return keyring
  }

  function bytesOf(kind: MaterialKind, source: MaterialSource): readonly Uint8Array[] {
    if (source.from === 'data') return source.data
    return source.places.map(place => {
      const material = materials.get(materialKey(kind, place))
      if (material === undefined) throw new Error(`${place} was not loaded`)
      return material.bytes
    })
  }

  function sigstoreTrust(signer: SigstoreSigner): TrustMaterial {
    switch (signer.by) {
      case 'keys':
        return {
          by: 'keys',
          keys: keysOf('cosign-key', signer.keys),
          rekorKeys: signer.rekorKeys && keysOf('rekor-key', signer.rekorKeys),
        }
      case 'fulcio': {
        const { oidcIssuer, subjectEmail } = signer
        const trust = { roots: certificatesOf(signer.ca), oidcIssuer, subjectEmail }
        return { by: 'fulcio', trust, rekorKeys: keysOf('rekor-key', signer.rekorKeys) }
      }
      case 'pki': {
        const { subjectEmail, subjectHostname } = signer
        const intermediates = signer.caIntermediates === undefined ? [] : certificatesOf(signer.caIntermediates)
        return {
          by: 'pki',
          trust: { roots: certificatesOf(signer.caRoots), intermediates, subjectEmail, subjectHostname },
        }
      }
    }
  }

  function trustedRootOf(source: MaterialSource): TrustedRoot {
    const name = source.from === 'data' ? source.field : source.places.map(shortName).join(', ')
    const [bytes] = bytesOf('trusted-root', source)
    if (bytes === undefined) throw new Error(`${name} was not loaded`)
    return parseTrustedRoot(bytes, name)
  }

  function certificatesOf(source: MaterialSource): readonly Certificate[] {
    const name = source.from === 'data' ? source.field : source.places.map(shortName).join(', ')
    return bytesOf('ca', source).flatMap(bytes => parseCaCertificates(bytes, name))
  }

  return async requirement => {
    switch (requirement.type) {
      case 'insecureAcceptAnything':
      case 'reject':
      case 'signedBaseLayer':
        return undefined
      case 'signedBy':
        if (requirement.keyType !== 'GPGKeys') return { by: 'unbuilt', what: `signedBy with ${requirement.keyType}` }
        return { by: 'gpg', keyring: await keyringOf(requirement.keyring) }
      case 'sealgate.sigstoreIdentity':
        return {
          by: 'identity',
          trustedRoot: trustedRootOf(requirement.trustedRoot),
          identities: requirement.identities,
        }
      case 'sigstoreSigned':
        return sigstoreTrust(requirement.signer)
    }
  }
}
