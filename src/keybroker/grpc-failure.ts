import { status } from '@grpc/grpc-js'
import type { Failure, KeyBrokerError } from './broker.ts'
import type { GrpcAnswer } from './grpc-client.ts'
import { peerText } from './peer-text.ts'

type StatusAnswer = Extract<GrpcAnswer, { readonly kind: 'status' }>

const NOT_CONNECTED_HERE = /^No connection established\. Last error: (?:Error: )?(.*?)\.?(?: Resolution note:.*)?$/
/** Texts of grpc-js, not of a server, that stand behind INTERNAL and RESOURCE_EXHAUSTED (read in 1.14). */
const TOO_LARGE_HERE = /^Received message larger than max/
const BROKEN_HERE = /^(?:Received RST_STREAM|Response message parsing error|Unexpected data frame|Failed to decode)/

/**
 * A gRPC status as an error. Servers of all generations say INTERNAL to everything, and only their text differs.
 *
 * @param hint added to INTERNAL, which stands for everything
 * @param generation what to say when the server lacks the method at all
 */
export function grpcFailure(
  answer: StatusAnswer,
  failure: Failure,
  { hint, generation }: { readonly hint: string; readonly generation: string },
): KeyBrokerError {
  const { code, untrustedDetails, cause } = answer
  const [, lastError = untrustedDetails] = NOT_CONNECTED_HERE.exec(untrustedDetails) ?? []
  const said = peerText(lastError)
  const as = (errorCode: Parameters<Failure>[0], what: string): KeyBrokerError => failure(errorCode, what, { cause })
  if (code === status.DEADLINE_EXCEEDED) return as('TIMED_OUT', 'no answer in time')
  if (code === status.UNIMPLEMENTED) return as('WRONG_GENERATION', generation)
  if (code === status.UNAVAILABLE && lastError.startsWith('Protocol error') && lastError !== untrustedDetails) {
    return as('WRONG_GENERATION', 'does not speak gRPC: api-server-rest? Then configure kind: cdh')
  }
  if (code === status.UNAVAILABLE) return as('NOT_REACHABLE', `cannot be reached: ${said}`)
  if (code === status.RESOURCE_EXHAUSTED && TOO_LARGE_HERE.test(untrustedDetails)) {
    return as('TOO_LARGE', 'the answer is larger than 1 MiB')
  }
  if (BROKEN_HERE.test(untrustedDetails)) return as('BAD_ANSWER', `the answer is broken: ${said}`)
  return as('REFUSED', `answered ${status[code] ?? `status ${code}`} ${said}${code === status.INTERNAL ? hint : ''}`)
}
