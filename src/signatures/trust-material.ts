import type { CertificateIdentity } from '../policy/sigstore-identity-requirement.ts'
import type { TrustedRoot } from './trusted-root.ts'
import type { FulcioTrust, PkiTrust } from './certificate-trust.ts'
import type { GpgKeyring } from './gpg-keyring.ts'
import type { TrustedKey } from './public-key.ts'

/**
 * What a requirement trusts, loaded and checked once when the policy was loaded, so that verifying reads no file.
 * `unbuilt` is a requirement that this program understands but cannot verify: it refuses, and says so.
 */
export type TrustMaterial =
  | { readonly by: 'keys'; readonly keys: readonly TrustedKey[]; readonly rekorKeys: readonly TrustedKey[] | undefined }
  | { readonly by: 'fulcio'; readonly trust: FulcioTrust; readonly rekorKeys: readonly TrustedKey[] }
  | { readonly by: 'pki'; readonly trust: PkiTrust }
  | {
      readonly by: 'identity'
      readonly trustedRoot: TrustedRoot
      readonly identities: readonly [CertificateIdentity, ...CertificateIdentity[]]
    }
  | { readonly by: 'gpg'; readonly keyring: GpgKeyring }
  | { readonly by: 'unbuilt'; readonly what: string }
