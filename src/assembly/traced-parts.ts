import type { Engine } from './create-engine.ts'
import type { ManifestDependencies } from '../http/answer-manifest.ts'
import type { Tracing } from '../observe/tracing.ts'

export type TracedParts = Pick<ManifestDependencies, 'snapshots' | 'judge' | 'compareWithShadow' | 'tracePull'>

/** What a pull goes through, with a span around each where there are traces; without, the parts themselves. */
export function tracedParts(engine: Engine, tracing: Tracing | undefined): TracedParts {
  const { snapshots, judge, shadow } = engine
  if (tracing === undefined) return { snapshots, judge, compareWithShadow: shadow?.compare, tracePull: undefined }
  return {
    snapshots: {
      fresh: () => snapshots.fresh(),
      current: () => tracing.around('policy', () => snapshots.current()),
    },
    judge: { ...judge, judge: input => tracing.around('verdict', () => judge.judge(input)) },
    // The shadow's work is none of the pull's: it must not be seen as if the client had waited for it.
    compareWithShadow: shadow && (pull => tracing.aside(() => shadow.compare(pull))),
    tracePull: tracing.pull,
  }
}
