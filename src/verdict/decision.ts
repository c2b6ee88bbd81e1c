import type { Digest } from '../reference/digest.ts'
import type { RejectionCode } from '../signatures/signature.ts'

/**
 * What was decided on one image, and all that led to it. Only `outcome: 'accepted'` lets bytes out, and only `decide`
 * and its neighbours in this folder make one. "Could not find out" is no decision: it is thrown as UndecidedError.
 */
export type Decision = Accepted | Refused

export type Accepted = {
  readonly outcome: 'accepted'
  readonly via: AcceptedVia
  /** Whose signatures were accepted; empty where none was asked for. */
  readonly signers: readonly string[]
  /** When something that it rests on ends (a certificate, a key): no cache may believe it longer (case 179). */
  readonly goodUntil: Date | undefined
  readonly evaluation: Evaluation
}

export type AcceptedVia =
  | { readonly by: 'policy' }
  /** An accepted index of the same repository lists it. */
  | { readonly by: 'index'; readonly index: Digest }
  /** The same client was told this digest when it asked for an accepted tag. */
  | { readonly by: 'tag'; readonly tag: string }
  /** Signatures, attestations and SBOMs, whose bytes no runtime can unpack. */
  | { readonly by: 'signature-artifact' }
  /** An index whose children were all accepted by themselves (`index: children`). */
  | { readonly by: 'children' }
  /** Another replica accepted it under the same policy and keys, and said so in the shared memory. */
  | { readonly by: 'shared' }

export type Refused = {
  readonly outcome: 'refused'
  /** What is missing, to be read after the image's name: `needs a signature by cosign.pub, found none`. */
  readonly reason: string
  readonly evaluation: Evaluation
}

/** How a decision came about, as plain data: for /explain, the log and `sealgate verify`. */
export type Evaluation = {
  /** As asked: `example.org/test:1`. */
  readonly reference: string
  readonly digest: Digest
  /** The scope of the policy that spoke: `docker example.org`, or `default`. */
  readonly scope: string
  readonly snapshotId: string
  readonly requirements: readonly RequirementResult[]
  /** What limits kept from being looked at. */
  readonly leftOut: readonly string[]
  /** Decisions on the children of an index, where they were needed. */
  readonly children: readonly Evaluation[]
}

export type RequirementResult = {
  /** `a signature by cosign.pub` */
  readonly requirement: string
  readonly outcome: 'met' | 'unmet' | 'open'
  /** Why, in a few words. */
  readonly reason: string
  readonly signatures: readonly SignatureResult[]
  /** Look-ups that failed. */
  readonly failures: readonly string[]
}

export type SignatureResult =
  | {
      readonly counts: true
      readonly found: string
      readonly signer: string
      readonly fingerprint: string
      readonly claim: string | undefined
      readonly loggedAt: string | undefined
      /** When it stops to count, where a certificate or key had to be good at the time of the check. */
      readonly goodUntil: string | undefined
    }
  | { readonly counts: false; readonly found: string; readonly code: RejectionCode; readonly reason: string }

/** The verdict is open: something could not be found out. The client is told to come again; nothing is remembered. */
export class UndecidedError extends Error {
  override readonly name = 'UndecidedError'
  readonly evaluation: Evaluation
  readonly retryAfterSeconds: number | undefined

  constructor(
    message: string,
    evaluation: Evaluation,
    options: ErrorOptions & { readonly retryAfterSeconds?: number },
  ) {
    super(message, options)
    this.evaluation = evaluation
    this.retryAfterSeconds = options.retryAfterSeconds
  }
}
