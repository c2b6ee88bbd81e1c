import type { UntrustedSignature } from './signature.ts'

/** What was found attached to an image in one or several places, and what could not be found out. */
export type FoundSignatures = {
  readonly signatures: readonly UntrustedSignature[]
  /** Look-ups that failed: never "no signature". The verdict is open unless some other signature suffices. */
  readonly failures: readonly LookupFailure[]
  /** What was passed over because of a limit, one line each, for the log. */
  readonly leftOut: readonly string[]
}

export type LookupFailure = { readonly place: string; readonly cause: unknown }

export const NOTHING_FOUND: FoundSignatures = { signatures: [], failures: [], leftOut: [] }

export function joinFound(parts: readonly FoundSignatures[]): FoundSignatures {
  return {
    signatures: parts.flatMap(part => part.signatures),
    failures: parts.flatMap(part => part.failures),
    leftOut: parts.flatMap(part => part.leftOut),
  }
}
