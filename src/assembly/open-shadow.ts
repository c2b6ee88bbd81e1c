import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../config/config.ts'
import type { KeeperStatus } from '../trust/snapshot-keeper.ts'
import { createJudge, type JudgeOptions } from '../verdict/judge.ts'
import { AdmittedDigests } from '../verdict/admitted-digests.ts'
import { Shadow, type ShadowOptions, type ShadowedPull, type ShadowResult } from '../verdict/shadow.ts'
import { VerdictCache } from '../verdict/verdict-cache.ts'
import { openSnapshotKeeper, type KeeperParts } from './open-snapshot-keeper.ts'

export type OpenedShadow = {
  /** Begins to load the shadow policy; what goes wrong is told by `onEvent`, and nothing waits for it. */
  readonly start: () => void
  /** A judge by the shadow policy, with a memory of its own, of what can be found by these. */
  readonly judgeOver: (parts: ShadowParts) => ShadowJudge
  readonly status: () => KeeperStatus
  readonly close: () => void
}

export type ShadowJudge = {
  readonly compare: (pull: ShadowedPull) => Promise<ShadowResult>
  /** Waits for the comparisons under way, but not for long. */
  readonly close: () => Promise<void>
}

export type ShadowParts = Pick<JudgeOptions, 'signaturesOf' | 'manifestOf' | 'blobOf'> & {
  readonly entries: ShadowEntries
}

/** How much is remembered: comparisons, and digests admitted by others. */
export type ShadowEntries = { readonly comparisons: number; readonly admitted: number }

const LANES = { running: 4, waiting: 256, waitMs: 30_000 } as const
const MAX_UNDER_WAY = 5000
const CLOSE_MS = 2000
const REMEMBERED_MS = 3600_000
const SECOND_MS = 1000
/** The comparisons are what is remembered for long; these serve those that come at once. */
const VERDICTS = { maxEntries: 1000, acceptedMs: 60 * SECOND_MS, refusedMs: 0 } as const
const ADMITTED_MS = 24 * 3600 * SECOND_MS

/** The second policy of the configuration; undefined where there is none. @throws ConfigError */
export function openShadow(config: Config, parts: KeeperParts): OpenedShadow | undefined {
  const { shadowPolicy, signedIdentityDefault: reading, index, indexDepth } = config
  if (shadowPolicy === undefined) return undefined
  const keeper = openSnapshotKeeper({ ...config, policy: shadowPolicy }, parts)
  let started: Promise<void> | undefined
  const start = (): Promise<void> => {
    // Told by onEvent already; the keeper goes on trying.
    started ??= keeper.start().catch(() => {})
    return started
  }
  const snapshots: ShadowOptions['snapshots'] = {
    fresh: () => keeper.fresh(),
    current: async () => {
      await start()
      return keeper.current()
    },
  }
  return {
    start: () => void start(),
    judgeOver({ signaturesOf, manifestOf, blobOf, entries }) {
      const shadow = new Shadow({
        judge: createJudge({
          reading,
          index,
          indexDepth,
          verdicts: new VerdictCache(VERDICTS),
          admitted: new AdmittedDigests({ maxEntries: entries.admitted, ttlMs: ADMITTED_MS }),
          signaturesOf,
          manifestOf,
          blobOf,
        }),
        snapshots,
        manifestOf,
        lanes: LANES,
        maxUnderWay: MAX_UNDER_WAY,
        remember: { maxEntries: entries.comparisons, ttlMs: REMEMBERED_MS },
      })
      return {
        compare: pull => shadow.compare(pull),
        close: () => Promise.race([shadow.close(), sleep(CLOSE_MS, undefined, { ref: false })]),
      }
    },
    status: () => keeper.status(),
    close: () => keeper.close(),
  }
}
