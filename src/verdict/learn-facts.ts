import type { AdmittedDigests } from './admitted-digests.ts'
import { acceptedVia, type JudgeInput } from './judge.ts'
import type { FoundFact, SharedKey } from './shared-memory.ts'
import type { VerdictCache } from './verdict-cache.ts'

export type LearnOptions = {
  readonly verdicts: VerdictCache
  readonly admitted: AdmittedDigests
  readonly indexDepth: number
  readonly acceptedMs: number
}

/** Under which keys the others may know something that lets this pull pass, whoever asks. */
export function keysFor({ reference, manifest, snapshot }: JudgeInput, options: LearnOptions): readonly SharedKey[] {
  const { digest } = manifest
  const snapshotId = snapshot.id
  const verdict: readonly SharedKey[] =
    options.acceptedMs === 0 ? [] : [{ kind: 'verdict', snapshotId, reference, digest }]
  if (reference.by === 'tag') return verdict
  const { repository } = reference
  const depths = Array.from({ length: options.indexDepth }, (_, index) => index + 1)
  return [...verdict, ...depths.map(depth => ({ kind: 'child', snapshotId, repository, digest, depth }) as const)]
}

/** Under which key the others may have noted that this client was told the digest; nothing where it asks for a tag. */
export function clientKeysFor({ reference, manifest, snapshot, client }: JudgeInput): readonly SharedKey[] {
  if (reference.by === 'tag') return []
  const { repository } = reference
  return [{ kind: 'tag', snapshotId: snapshot.id, repository, digest: manifest.digest, client }]
}

/**
 * Puts what another replica knows into the caches of this one, where the judge finds it under its own rules; for no
 * longer than the other side gave it, nor than this replica would believe itself.
 */
export function learn(
  input: JudgeInput,
  found: readonly { readonly key: SharedKey; readonly known: FoundFact | undefined }[],
  { verdicts, admitted, acceptedMs }: LearnOptions,
): void {
  const { reference, manifest, snapshot, client } = input
  const { repository } = reference
  for (const { key, known } of found) {
    if (known === undefined) continue
    const { fact, expiresAt } = known
    const { signers, goodUntil } = fact
    const ttlMs = expiresAt.getTime() - Date.now()
    if (ttlMs <= 0) continue
    switch (fact.kind) {
      case 'verdict':
        if (key.kind !== 'verdict') continue
        verdicts.learn(
          { snapshotId: snapshot.id, reference, digest: manifest.digest },
          acceptedVia({ via: { by: 'shared' }, signers, goodUntil }, reference, manifest, snapshot),
          Math.min(ttlMs, acceptedMs),
        )
        continue
      case 'child': {
        if (key.kind !== 'child') continue
        const admission = { via: { by: 'index', index: fact.index }, signers, depth: key.depth, goodUntil } as const
        admitted.learn({ snapshotId: snapshot.id, repository, digest: manifest.digest, client: '' }, admission, ttlMs)
        continue
      }
      case 'tag': {
        if (key.kind !== 'tag') continue
        const admission = { via: { by: 'tag', tag: fact.tag }, signers, depth: 0, goodUntil } as const
        admitted.learn({ snapshotId: snapshot.id, repository, digest: manifest.digest, client }, admission, ttlMs)
        continue
      }
    }
  }
}
