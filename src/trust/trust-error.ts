export type TrustErrorCode =
  /** The policy or a piece of trust material could not be read. */
  | 'UNREADABLE'
  /** It could be read, but is not what it has to be. */
  | 'INVALID'
  /** Files changed while they were read, again and again. */
  | 'UNSTABLE'
  /** There is no snapshot in force. */
  | 'NO_SNAPSHOT'

/** A policy and its keys could not be loaded as a whole. `problems` has one line each. */
export class TrustError extends Error {
  override readonly name = 'TrustError'
  readonly code: TrustErrorCode
  readonly problems: readonly string[]

  constructor(code: TrustErrorCode, problems: readonly string[], options?: ErrorOptions) {
    super(problems.join('; '), options)
    this.code = code
    this.problems = problems
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
