import type { Claim } from '../policy/signed-identity.ts'
import type { Digest } from '../reference/digest.ts'

/** Where a signature was found, for people and for the log: `sha256-ab….sig layer 1`, `referrer sha256:cd…`. */
export type SignatureOrigin = {
  readonly place: 'sig-tag' | 'referrer' | 'lookaside' | 'registry-extension'
  readonly name: string
}

/** Something attached to an image that claims to be a signature. Nothing in it has been checked. */
export type UntrustedSignature =
  | {
      readonly format: 'simple-signing'
      readonly origin: SignatureOrigin
      /** The bytes of the layer; they have the digest that the `.sig` manifest lists. */
      readonly untrustedPayload: Uint8Array
      readonly untrustedAnnotations: ReadonlyMap<string, string>
    }
  | { readonly format: 'bundle'; readonly origin: SignatureOrigin; readonly untrustedBytes: Uint8Array }
  | { readonly format: 'gpg'; readonly origin: SignatureOrigin; readonly untrustedBytes: Uint8Array }
  | { readonly format: 'unusable'; readonly origin: SignatureOrigin; readonly problem: string }

/** What a trusted signer has signed: a statement about exactly `digest`. The claim is not yet held against a policy. */
export type VerifiedSignature = {
  readonly digest: Digest
  readonly claim: Claim
  /** Who, for people: `cosign.pub`, `alice@example.com (https://accounts.example.com)`. */
  readonly signer: string
  /** Fingerprint of the key or certificate that verified: SHA-256 of its DER, lower-case hex. */
  readonly fingerprint: string
  /** When a trusted log or timestamp authority saw it, where that was checked. */
  readonly loggedAt: Date | undefined
  /** When it stops to count, where it had to be good at the time of the check and not of the signing (case 179). */
  readonly goodUntil?: Date
}

export type RejectionCode =
  /** Not readable as what it claims to be. */
  | 'MALFORMED'
  /** No trusted key, certificate chain or keyring verifies it. */
  | 'UNTRUSTED_SIGNER'
  /** Valid signature of a trusted CA, wrong subject or issuer. */
  | 'WRONG_SIGNER'
  /** A statement about other bytes. */
  | 'WRONG_DIGEST'
  /** Signed under another name than the policy asks for. */
  | 'WRONG_IDENTITY'
  /** The log entry, its proof or a timestamp does not hold. */
  | 'NOT_LOGGED'
  /** Of a kind that this requirement does not take, or beyond a limit. */
  | 'NOT_APPLICABLE'

/** Why one signature does not count. `message` is one line, without secrets, for people. */
export type SignatureRejection = { readonly code: RejectionCode; readonly message: string }

export type SignatureCheck =
  | { readonly verified: true; readonly signature: VerifiedSignature }
  | { readonly verified: false; readonly rejection: SignatureRejection }

/** What a check found, for as long as a certificate or key is good. */
export function onlyUntil(check: SignatureCheck, goodUntil: Date | undefined): SignatureCheck {
  if (!check.verified || goodUntil === undefined) return check
  return { verified: true, signature: { ...check.signature, goodUntil } }
}

export function rejected(code: RejectionCode, message: string): SignatureCheck {
  return { verified: false, rejection: { code, message } }
}
