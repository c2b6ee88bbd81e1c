import { LRUCache } from 'lru-cache'
import { setImmediate } from 'node:timers/promises'
import { Lanes, type LanesOptions } from '../cache/lanes.ts'
import type { Manifest } from '../manifest/manifest.ts'
import { formatReference, type ImageReference } from '../reference/image-reference.ts'
import { repositoryName } from '../reference/repository.ts'
import type { Snapshot } from '../trust/snapshot.ts'
import { comparisonOf, type Comparison } from './comparison.ts'
import type { AcceptedVia } from './decision.ts'
import type { Judged } from './enforcement.ts'
import { asJudged } from './judged.ts'
import type { Judge } from './judge.ts'
import { restedOn, type ManifestOf, type RestingVia } from './rested-on.ts'

export type ShadowOptions = {
  /** A judge of its own: what it remembers and admits is never seen by the one whose verdicts count. */
  readonly judge: Judge
  /** The shadow policy; `current` throws while there is none. */
  readonly snapshots: { readonly fresh: () => Snapshot | undefined; readonly current: () => Promise<Snapshot> }
  /** A manifest of the repository by digest. */
  readonly manifestOf: ManifestOf
  readonly lanes: LanesOptions
  /** Pulls that may wait for the shadow policy or for another's comparison; beyond, they are skipped. */
  readonly maxUnderWay: number
  /** Comparisons that are remembered, and for how many milliseconds. */
  readonly remember: { readonly maxEntries: number; readonly ttlMs: number }
}

export type ShadowedPull = {
  readonly reference: ImageReference
  /** The very bytes that the policy in force was asked about. */
  readonly manifest: Manifest
  readonly decision: Judged
}

export type ShadowResult =
  /** `isFirst`: not remembered from an earlier pull; such are to be counted and logged. */
  | { readonly outcome: 'compared'; readonly isFirst: boolean; readonly comparison: Comparison }
  /** busy: too many at once; unavailable: the shadow policy cannot be loaded; failed: judging threw, see `error`. */
  | { readonly outcome: 'skipped'; readonly why: 'busy' | 'unavailable' }
  | { readonly outcome: 'skipped'; readonly why: 'failed'; readonly error: unknown }

/** Who asks, as far as the shadow's judge must know: somebody who was told the digest by an accepted tag, or not. */
const FOLLOWED = 'followed'
const ALONE = 'alone'

/**
 * Judges what was pulled under a second policy, aside and after the answer, and never changes one. Pulls of a repository
 * are compared in their order, for what is accepted of an index counts for its children. A pair of snapshots is asked
 * once for a reference and digest, and not again at each pull.
 */
export class Shadow {
  readonly #options: ShadowOptions
  readonly #lanes: Lanes
  readonly #known: LRUCache<string, Comparison>
  readonly #running = new Map<string, Promise<ShadowResult>>()
  #underWay = 0

  constructor(options: ShadowOptions) {
    this.#options = options
    this.#lanes = new Lanes(options.lanes)
    this.#known = new LRUCache({ max: options.remember.maxEntries, ttl: options.remember.ttlMs })
  }

  /** Never rejects, and does no work before the caller's own turn is over. */
  async compare(pull: ShadowedPull): Promise<ShadowResult> {
    if (this.#underWay >= this.#options.maxUnderWay) return { outcome: 'skipped', why: 'busy' }
    this.#underWay += 1
    try {
      const snapshot = this.#options.snapshots.fresh() ?? (await this.#current())
      if (snapshot === undefined) return { outcome: 'skipped', why: 'unavailable' }
      const key = keyOf(pull, snapshot)
      const known = this.#known.get(key)
      if (known !== undefined) return { outcome: 'compared', isFirst: false, comparison: known }
      const running = this.#running.get(key)
      if (running !== undefined) return asRepeated(await running)
      const comparing = this.#compareAside(pull, snapshot, key).finally(() => this.#running.delete(key))
      this.#running.set(key, comparing)
      return await comparing
    } catch (error) {
      return { outcome: 'skipped', why: 'failed', error }
    } finally {
      this.#underWay -= 1
    }
  }

  /** Skips what has not begun, and resolves when what has is over. */
  async close(): Promise<void> {
    await this.#lanes.close()
  }

  async #current(): Promise<Snapshot | undefined> {
    try {
      return await this.#options.snapshots.current()
    } catch {
      // The keeper has told why, once; here it is only counted.
      return undefined
    }
  }

  async #compareAside(pull: ShadowedPull, snapshot: Snapshot, key: string): Promise<ShadowResult> {
    const result = await this.#lanes.run(repositoryName(pull.reference.repository), async () => {
      await setImmediate() // The client's answer goes first.
      return this.#judge(pull, snapshot)
    })
    if (result.outcome === 'dropped') return { outcome: 'skipped', why: 'busy' }
    const comparison = comparisonOf(pull.decision.outcome, result.value)
    // What could not be found out is asked again.
    if (pull.decision.outcome !== 'undecided' && comparison.verdict !== 'undecided') this.#known.set(key, comparison)
    return { outcome: 'compared', isFirst: true, comparison }
  }

  async #judge({ reference, manifest, decision }: ShadowedPull, snapshot: Snapshot): Promise<Judged> {
    const via = decision.outcome === 'accepted' && isResting(decision.via) ? decision.via : undefined
    const client = via?.by === 'tag' ? FOLLOWED : ALONE
    const judged = await this.#judgeAs(reference, manifest, snapshot, client)
    const first = via && restedOn(via, reference.repository, manifest.digest)
    if (judged.outcome === 'accepted' || first === undefined) return judged
    // The shadow may not have met the index or tag yet: it was pulled at another replica, or before the last change.
    const rested =
      first.digest === manifest.digest ? manifest : await this.#options.manifestOf(reference.repository, first.digest)
    if (rested === undefined) return judged
    const before = await this.#judgeAs(first.reference, rested, snapshot, ALONE)
    return before.outcome === 'accepted' ? this.#judgeAs(reference, manifest, snapshot, client) : judged
  }

  async #judgeAs(reference: ImageReference, manifest: Manifest, snapshot: Snapshot, client: string): Promise<Judged> {
    const { judge } = this.#options
    const { decision } = await asJudged(judge.judge({ reference, manifest, snapshot, client }))
    if (decision.outcome === 'accepted') await judge.announce(decision, reference, FOLLOWED)
    return decision
  }
}

function isResting(via: AcceptedVia): via is RestingVia {
  return via.by === 'index' || via.by === 'tag'
}

function asRepeated(result: ShadowResult): ShadowResult {
  return result.outcome === 'compared' ? { ...result, isFirst: false } : result
}

/** How the policy in force came to its verdict is part of it: a digest may be refused alone and pass by its index. */
function keyOf({ reference, manifest, decision }: ShadowedPull, shadow: Snapshot): string {
  const verdict = decision.outcome === 'accepted' ? decision.via.by : decision.outcome
  return `${decision.evaluation.snapshotId} ${shadow.id} ${verdict} ${formatReference(reference)} ${manifest.digest}`
}
