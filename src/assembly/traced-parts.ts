import type { ManifestDependencies } from '../http/answer-manifest.ts'
import type { Tracing } from '../observe/tracing.ts'
import type { SnapshotKeeper } from '../trust/snapshot-keeper.ts'
import type { Compartment } from './open-compartment.ts'

export type TracedParts = Pick<ManifestDependencies, 'snapshots' | 'judge' | 'compareWithShadow' | 'tracePull'>

/** What a pull goes through, with a span around each where there are traces; without, the parts themselves. */
export function tracedParts(
  { judge, compareWithShadow }: Compartment,
  snapshots: SnapshotKeeper,
  tracing: Tracing | undefined,
): TracedParts {
  if (tracing === undefined) return { snapshots, judge, compareWithShadow, tracePull: undefined }
  return {
    snapshots: {
      fresh: () => snapshots.fresh(),
      current: () => tracing.around('policy', () => snapshots.current()),
    },
    judge: { ...judge, judge: input => tracing.around('verdict', () => judge.judge(input)) },
    // The shadow's work is none of the pull's: it must not be seen as if the client had waited for it.
    compareWithShadow: compareWithShadow && (pull => tracing.aside(() => compareWithShadow(pull))),
    tracePull: tracing.pull,
  }
}
