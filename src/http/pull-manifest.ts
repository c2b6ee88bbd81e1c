import type { Manifest } from '../manifest/manifest.ts'
import type { ByteBudget } from '../cache/byte-budget.ts'
import { isDigest } from '../reference/digest.ts'
import { formatReference, type ImageReference } from '../reference/image-reference.ts'
import type { Snapshot } from '../trust/snapshot.ts'
import { costOf, type ManifestStore } from '../upstream/manifest-store.ts'
import { UndecidedError } from '../verdict/decision.ts'
import type { Judged } from '../verdict/enforcement.ts'
import type { Judge } from '../verdict/judge.ts'
import { asJudged } from '../verdict/judged.ts'
import type { RegistryRequest } from './registry-request.ts'

/**
 * A manifest with what was found out about exactly these bytes; whether they leave is the enforcer's to say. What kept the
 * bytes themselves from being had, or the policy, is thrown.
 */
export type PulledManifest =
  | { readonly found: true; readonly manifest: Manifest; readonly decision: Judged; readonly cached: boolean }
  | { readonly found: false }
  /** There is no room for it beside what other pulls hold (case 212). */
  | { readonly found: 'no-room' }

export type PullDependencies = {
  readonly snapshots: { readonly fresh: () => Snapshot | undefined; readonly current: () => Promise<Snapshot> }
  readonly manifests: ManifestStore
  readonly judge: Judge
  readonly verdictMs: number
  /** What all pulls under way may hold. */
  readonly budget: ByteBudget
}

type ManifestRequest = Extract<RegistryRequest, { kind: 'manifest' }>

export function referenceOf({ target, reference }: ManifestRequest): ImageReference {
  const { repository } = target
  return isDigest(reference)
    ? { by: 'digest', repository, digest: reference }
    : { by: 'tag', repository, tag: reference }
}

/** The pull where everything it needs is at hand: no waiting, no work. */
export function peekManifest(
  reference: ImageReference,
  client: string,
  gate: PullDependencies,
): PulledManifest | undefined {
  const snapshot = gate.snapshots.fresh()
  const manifest = snapshot && gate.manifests.peek(reference)
  if (snapshot === undefined || manifest === undefined) return undefined
  const decision = gate.judge.peek({ reference, manifest, snapshot, client })
  return decision && { found: true, manifest, decision, cached: true }
}

/**
 * The whole pull: the snapshot in force, the upstream's bytes, the verdict on exactly these bytes.
 *
 * @throws TrustError, UpstreamError, ManifestError
 */
export async function pullManifest(
  reference: ImageReference,
  client: string,
  gate: PullDependencies,
): Promise<PulledManifest> {
  const snapshot = await gate.snapshots.current()
  const manifest = await gate.manifests.get(reference)
  if (manifest === undefined) return { found: false }
  const release = gate.budget.hold(manifest, costOf(manifest))
  if (release === undefined) return { found: 'no-room' }
  const judging = inTime(
    gate.judge.judge({ reference, manifest, snapshot, client }),
    gate.verdictMs,
    () =>
      new UndecidedError(
        'the verdict took too long',
        {
          reference: formatReference(reference),
          digest: manifest.digest,
          scope: '',
          snapshotId: snapshot.id,
          requirements: [],
          leftOut: [],
          children: [],
        },
        {},
      ),
  )
  const { decision, cached } = await asJudged(judging).finally(release)
  return { found: true, manifest, decision, cached }
}

async function inTime<T>(work: Promise<T>, milliseconds: number, late: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(late()), milliseconds)
  })
  try {
    return await Promise.race([work, limit])
  } finally {
    clearTimeout(timer)
  }
}
