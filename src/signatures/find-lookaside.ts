import type { FoundSignatures } from './found-signatures.ts'
import { parseSignatureBlob } from './signature-blob.ts'
import type { UntrustedSignature } from './signature.ts'

/** What a lookaside directory was found to hold. The reader in upstream/ fits it by shape. */
export type LookasideRead = {
  readonly files: readonly LookasideFile[]
  /** Why the list could not be read to its end; what was read before still counts. */
  readonly failure: Error | undefined
  /** What was passed over because of a limit, one line each. */
  readonly leftOut: readonly string[]
}

/** `signature-1` and so on, with its bytes, or with why it can never be used. */
export type LookasideFile =
  { readonly name: string; readonly untrustedBytes: Uint8Array } | { readonly name: string; readonly problem: string }

/**
 * The signatures in a lookaside directory, GPG's and cosign's.
 *
 * @param location as of `lookasideLocation`
 * @param read reads that directory; throws only for programming errors
 */
export async function findLookaside(
  location: string,
  read: (location: string) => Promise<LookasideRead>,
): Promise<FoundSignatures> {
  const { files, failure, leftOut } = await read(location)
  const signatures = files.map((file): UntrustedSignature => {
    const origin = { place: 'lookaside', name: `lookaside ${file.name}` } as const
    if ('problem' in file) return { format: 'unusable', origin, problem: file.problem }
    return parseSignatureBlob(file.untrustedBytes, origin)
  })
  const failures = failure === undefined ? [] : [{ place: `the lookaside ${location}`, cause: failure }]
  return { signatures, failures, leftOut }
}
