import type { DockerReference } from '../reference/image-reference.ts'
import type { SigstoreIdentityRequirement } from './sigstore-identity-requirement.ts'

/** containers-policy.json(5), parsed: types only. A value of these types has passed every check that needs no file. */

export type Policy = {
  readonly default: Requirements
  /** By transport, then by scope; "" is the transport's default. Scopes of `docker` have their host in canonical form. */
  readonly transports: ReadonlyMap<string, ReadonlyMap<string, Requirements>>
  /** Valid, but probably not meant: for the log and for `sealgate policy check`. */
  readonly warnings: readonly string[]
}

/** All of them must hold. Never empty: no requirement at all would accept everything (case 88). */
export type Requirements = readonly [Requirement, ...Requirement[]]

export type Requirement =
  | { readonly type: 'insecureAcceptAnything' }
  | { readonly type: 'reject' }
  | { readonly type: 'signedBaseLayer' }
  | SignedByRequirement
  | SigstoreSignedRequirement
  | SigstoreIdentityRequirement

export type SignedByRequirement = {
  readonly type: 'signedBy'
  readonly keyType: 'GPGKeys' | 'signedByGPGKeys' | 'X509Certificates' | 'signedByX509CAs'
  readonly keyring: MaterialSource
  readonly signedIdentity: SignedIdentity
}

export type SigstoreSignedRequirement = {
  readonly type: 'sigstoreSigned'
  readonly signer: SigstoreSigner
  /** undefined: the file does not say, and signedIdentityDefault decides (design.md section 4). */
  readonly signedIdentity: SignedIdentity | undefined
}

/** Who must have signed. Which of them may be combined with a Rekor key is the reference's rule and checked on parsing. */
export type SigstoreSigner =
  | { readonly by: 'keys'; readonly keys: MaterialSource; readonly rekorKeys: MaterialSource | undefined }
  | {
      readonly by: 'fulcio'
      readonly ca: MaterialSource
      readonly oidcIssuer: string
      readonly subjectEmail: string
      readonly rekorKeys: MaterialSource
    }
  | {
      readonly by: 'pki'
      readonly caRoots: MaterialSource
      readonly caIntermediates: MaterialSource | undefined
      readonly subjectEmail: string | undefined
      readonly subjectHostname: string | undefined
    }

/**
 * Where trust material is: named places (paths or kbs:/// URIs, as written in the policy) or the bytes themselves, from
 * base64. `field` is the name of the field it was read from, for messages.
 */
export type MaterialSource =
  | { readonly from: 'places'; readonly field: string; readonly places: readonly [string, ...string[]] }
  | { readonly from: 'data'; readonly field: string; readonly data: readonly [Uint8Array, ...Uint8Array[]] }

export type SignedIdentity =
  | { readonly type: 'matchExact' }
  | { readonly type: 'matchRepoDigestOrExact' }
  | { readonly type: 'matchRepository' }
  | { readonly type: 'exactReference'; readonly reference: DockerReference }
  | { readonly type: 'exactRepository'; readonly repository: DockerReference }
  | { readonly type: 'remapIdentity'; readonly prefix: string; readonly signedPrefix: string }

/** How a sigstoreSigned requirement without signedIdentity is read. design.md section 4 has the table. */
export type SignedIdentityDefault = 'asClaimed' | 'matchRepoDigestOrExact' | 'none'
