import { LRUCache } from 'lru-cache'
import { randomFillSync } from 'node:crypto'
import type { Comparison } from '../verdict/comparison.ts'
import type { AcceptedVia, Evaluation } from '../verdict/decision.ts'
import type { Exception } from '../verdict/enforcement.ts'

/**
 * audited: served in audit mode though not accepted; excepted: let through by an exception though refused; pusher: served,
 * though refused, to somebody who may push there.
 */
export type DecisionVerdict = 'accepted' | 'refused' | 'undecided' | 'audited' | 'excepted' | 'pusher'

/** One line a decision: everything that is needed to understand it later, and nothing secret. */
export type DecisionRecord = {
  readonly id: string
  readonly verdict: DecisionVerdict
  readonly reference: string
  readonly digest: string
  readonly scope: string
  readonly reason: string
  /** The reason as one of a bounded set, for counting. */
  readonly code: string
  readonly exception: Exception | undefined
  readonly signers: readonly string[]
  /** The other verdict that this one rests on, an index's or a tag's. */
  readonly via: AcceptedVia | undefined
  readonly client: string
  /** Who was logged in; undefined where anybody may pull. */
  readonly user: string | undefined
  readonly durationMs: number
  readonly cache: 'hit' | 'miss'
}

/** A refusal, an open verdict or a difference to the shadow policy, whole, for those who were told its id. */
export type Explanation = DecisionRecord & {
  readonly evaluation: Evaluation
  readonly at: string
  /** What the shadow policy says about the same bytes, once it has spoken. */
  readonly shadow?: Comparison
}

const KEPT = 1000

/** The last decisions that were not simply accepted, by id, for GET /explain/<id> on the admin port. */
export class Explanations {
  readonly #kept: LRUCache<string, Explanation> = new LRUCache({ max: KEPT })
  readonly #ids = new DecisionIds()

  /** For a decision, whether it is to be explained or not. */
  newId(): string {
    return this.#ids.next()
  }

  add(explanation: Explanation): void {
    this.#kept.set(explanation.id, explanation)
  }

  get(id: string): Explanation | undefined {
    return this.#kept.get(id)
  }
}

const ID_BYTES = 6

/** Ids of decisions: not guessable, and short enough to be read out over the phone. */
export class DecisionIds {
  /** Many are drawn at once: asking for each by itself was a sixth of the time of a pull whose verdict is at hand. */
  readonly #drawn: Buffer = Buffer.alloc(ID_BYTES * 256)
  #next: number = this.#drawn.byteLength

  next(): string {
    if (this.#next === this.#drawn.byteLength) {
      randomFillSync(this.#drawn)
      this.#next = 0
    }
    const begin = this.#next
    this.#next += ID_BYTES
    return this.#drawn.toString('hex', begin, this.#next)
  }
}
