import type { Manifest } from '../manifest/manifest.ts'
import type { Digest } from '../reference/digest.ts'
import { formatReference, type ImageReference } from '../reference/image-reference.ts'
import { repositoryName } from '../reference/repository.ts'
import type { Snapshot } from '../trust/snapshot.ts'
import { comparisonOf, type Comparison } from './comparison.ts'
import type { Judged } from './enforcement.ts'
import { asJudged } from './judged.ts'
import type { Judge } from './judge.ts'
import { restedOn, type ManifestOf, type RestingVia } from './rested-on.ts'

/** A decision that was made, as far as it is needed to judge the same bytes again. */
export type RecordedDecision = {
  readonly reference: ImageReference
  readonly digest: Digest
  /** By the policy, before modes and exceptions. */
  readonly outcome: Judged['outcome']
  /** The other verdict that it rested on, if it did. */
  readonly via: RestingVia | undefined
}

export type ReplayParts = {
  readonly judge: Judge
  readonly snapshot: Snapshot
  readonly manifestOf: ManifestOf
}

export type Replayed =
  | { readonly outcome: 'judged'; readonly comparison: Comparison }
  | { readonly outcome: 'gone' }
  | { readonly outcome: 'failed'; readonly error: unknown }

const CLIENT = 'replay'

/**
 * Judges recorded pulls again under another policy, one by one in their order: the bytes are fetched by the recorded
 * digest, so they are the same or they are none. What passed because of an index or a tag is judged after those.
 */
export function replayer(parts: ReplayParts): (recorded: RecordedDecision) => Promise<Replayed> {
  const { judge, manifestOf } = parts
  const asked = new Set<string>()

  async function judgeOne(reference: ImageReference, manifest: Manifest): Promise<Judged> {
    asked.add(`${repositoryName(reference.repository)}@${manifest.digest}`).add(formatReference(reference))
    const judging = judge.judge({ reference, manifest, snapshot: parts.snapshot, client: CLIENT })
    const { decision } = await asJudged(judging)
    if (decision.outcome === 'accepted') await judge.announce(decision, reference, CLIENT)
    return decision
  }

  /** The record of the index or tag may be older than the log; it is judged first all the same. */
  async function judgeFirst({ reference: { repository }, digest, via }: RecordedDecision): Promise<void> {
    if (via === undefined) return
    const first = restedOn(via, repository, digest)
    if (first === undefined || asked.has(formatReference(first.reference))) return
    const manifest = await manifestOf(repository, first.digest)
    if (manifest !== undefined) await judgeOne(first.reference, manifest)
  }

  return async recorded => {
    try {
      const manifest = await manifestOf(recorded.reference.repository, recorded.digest)
      if (manifest === undefined) return { outcome: 'gone' }
      await judgeFirst(recorded)
      const judged = await judgeOne(recorded.reference, manifest)
      return { outcome: 'judged', comparison: comparisonOf(recorded.outcome, judged) }
    } catch (error) {
      return { outcome: 'failed', error }
    }
  }
}
