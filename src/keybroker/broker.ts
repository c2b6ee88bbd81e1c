import { formatResource, type ResourceName } from './resource.ts'

/** Gives policies and public keys by name: what the relying party, and not the host, says. */
export type KeyBroker = {
  /**
   * Asks once: no retry, nothing remembered.
   *
   * @param signal gives up; its reason is thrown, or TIMED_OUT if that is a time-out
   * @returns at least one byte that is not blank, at most 1 MiB
   * @throws KeyBrokerError
   */
  readonly get: (resource: ResourceName, signal: AbortSignal) => Promise<Uint8Array>
  /** For people: which broker, and where. */
  readonly describe: () => string
  /** Lets go of sockets. Calls under way fail. */
  readonly close: () => void
}

export type KeyBrokerErrorCode =
  /** Nobody answers at the address, the connection broke, or there is no such file. */
  | 'NOT_REACHABLE'
  | 'TIMED_OUT'
  /** Answered with an error (gRPC INTERNAL, HTTP 500): what is not there and what is broken look alike. */
  | 'REFUSED'
  /** Answered, but in a protocol of another year than configured. */
  | 'WRONG_GENERATION'
  /** Answered with something that is no answer. */
  | 'BAD_ANSWER'
  | 'TOO_LARGE'
  /** No bytes, or nothing but blanks: never "no requirements" (case 187). */
  | 'EMPTY'
  /** This broker cannot be asked for a resource of that name. */
  | 'BAD_NAME'
  /** A unix socket that somebody else could have put there (case 193). */
  | 'UNSAFE_SOCKET'
  /** An address or aaKbcParams that cannot be used; thrown by `openKeyBroker` only. */
  | 'BAD_CONFIGURATION'

/** Asking again later may help with nothing changed in configuration or program. */
const TRANSIENT: Readonly<Record<KeyBrokerErrorCode, boolean>> = {
  NOT_REACHABLE: true,
  TIMED_OUT: true,
  // A KBS behind the agent that is down for a minute says the same as a name that nobody knows.
  REFUSED: true,
  WRONG_GENERATION: false,
  BAD_ANSWER: false,
  TOO_LARGE: false,
  EMPTY: false,
  BAD_NAME: false,
  UNSAFE_SOCKET: false,
  BAD_CONFIGURATION: false,
}

/** A resource could not be had. The message is one line and holds nothing of any resource's content. */
export class KeyBrokerError extends Error {
  override readonly name = 'KeyBrokerError'
  readonly code: KeyBrokerErrorCode

  constructor(code: KeyBrokerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }

  get transient(): boolean {
    return TRANSIENT[this.code]
  }
}

/** Makes the errors of one question to one broker: all name the resource and the address. */
export type Failure = (code: KeyBrokerErrorCode, what: string, options?: ErrorOptions) => KeyBrokerError

/** @param broker as `KeyBroker.describe` says it */
export function failureOf(resource: ResourceName, broker: string): Failure {
  return (code, what, options) =>
    new KeyBrokerError(code, `cannot get ${formatResource(resource)} from ${broker}: ${what}`, options)
}

/** Largest resource: exactly this is taken, one byte more is not. */
export const MAX_RESOURCE_BYTES: number = 1024 * 1024

const BLANKS: ReadonlySet<number> = new Set([0x09, 0x0a, 0x0d, 0x20])

/** What every broker holds its answer to, whatever it came by. */
export function checkResource(bytes: Uint8Array, failure: Failure): Uint8Array {
  if (bytes.byteLength > MAX_RESOURCE_BYTES) throw failure('TOO_LARGE', `more than ${MAX_RESOURCE_BYTES} bytes`)
  if (bytes.byteLength === 0) throw failure('EMPTY', 'the answer is empty')
  if (bytes.every(byte => BLANKS.has(byte))) throw failure('EMPTY', 'the answer is nothing but blanks')
  return bytes
}

/** What a caller's giving up is thrown as. */
export function abortError(signal: AbortSignal, failure: Failure): unknown {
  const reason: unknown = signal.reason
  if (reason instanceof Error && reason.name === 'TimeoutError') {
    return failure('TIMED_OUT', 'no answer within the time for the whole load', { cause: reason })
  }
  return reason
}
