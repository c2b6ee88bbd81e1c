export type TrustMaterialErrorCode =
  /** Not readable as what it has to be. */
  | 'MALFORMED'
  /** Nothing is in it. */
  | 'EMPTY'
  /** It holds a private key. */
  | 'PRIVATE_KEY'
  /** A key or algorithm that may no longer be relied on. */
  | 'WEAK'
  /** Well formed, but of a kind that this program does not take. */
  | 'UNSUPPORTED'

/** A file or resource that was to say whom to trust does not. The message names it and never quotes it. */
export class TrustMaterialError extends Error {
  override readonly name = 'TrustMaterialError'
  readonly code: TrustMaterialErrorCode

  constructor(code: TrustMaterialErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
