export type TufErrorCode =
  /** The pinned root.json is none. */
  | 'BAD_ROOT'
  /** The mirror did not give what was asked of it. */
  | 'MIRROR'
  /** What it gave is not signed, is expired, or older than what was seen before. */
  | 'METADATA'
  /** The target is not among the mirror's targets, or is not what it has to be. */
  | 'TARGET'
  /** The cache directory cannot be used. */
  | 'CACHE'

/** A target could not be had by TUF. The message is one line of printable characters. */
export class TufError extends Error {
  override readonly name = 'TufError'
  readonly code: TufErrorCode

  constructor(code: TufErrorCode, message: string, options?: ErrorOptions) {
    super(printable(message), options)
    this.code = code
  }
}

const MAX_MESSAGE = 400

/** What a mirror has sent may be quoted by the library that could not read it. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]+/g, ' ').slice(0, MAX_MESSAGE)
}
