import type { Mirror } from './mirror.ts'
import type { TufCache } from './tuf-cache.ts'
import { TufError } from './tuf-error.ts'
import type { TufState } from './tuf-state.ts'
import { updateTarget } from './update.ts'

export type TufSourceOptions = {
  readonly mirror: Mirror
  readonly cache: TufCache
  readonly pinnedRoot: Uint8Array
  /** Throws if a target cannot be used, however well it is signed; then it is not taken over. */
  readonly check: (bytes: Uint8Array, target: string) => void
  /** How long a target is believed to be the newest. */
  readonly refreshMs: number
  /** Longest time for one refresh, all its downloads together. */
  readonly timeoutMs: number
}

export type TufTarget = {
  readonly bytes: Uint8Array
  /** Why this is of an earlier refresh, if it is. */
  readonly stale: string | undefined
}

/** Targets of one TUF repository, each as new as it can be had. */
export type TufSource = {
  /**
   * The newest good state of a target. While the mirror is down, slow, frozen, rolled back or tampered with, it is the last
   * good one, and says so: of this process, or else of the cache as far as that is still valid.
   *
   * @throws TufError if there is none
   */
  readonly get: (target: string, signal: AbortSignal) => Promise<TufTarget>
  readonly close: () => Promise<void>
}

type Kept = {
  readonly state: TufState
  /** Milliseconds of the process; undefined: not refreshed by this process. */
  readonly refreshedAt: number | undefined
  readonly problem: string | undefined
}

export function openTufSource(options: TufSourceOptions): TufSource {
  const { mirror, cache, pinnedRoot, check, refreshMs, timeoutMs } = options
  const kept = new Map<string, Kept>()
  const underWay = new Map<string, Promise<Kept>>()

  async function refreshed(target: string, signal: AbortSignal): Promise<Kept> {
    const last = kept.get(target)
    const before = last?.state ?? (await cache.read(target))
    try {
      const deadline = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
      const state = await cache.withScratch(scratch =>
        updateTarget({
          pinnedRoot,
          before,
          target,
          scratch,
          download: (path, maxBytes) => mirror.get(path, maxBytes, deadline),
        }),
      )
      checkTarget(state, target)
      await cache.write(target, state)
      return { state, refreshedAt: performance.now(), problem: undefined }
    } catch (error) {
      const problem = `${mirror.name} gave no usable ${target}: ${messageOf(error)}`
      if (last !== undefined) return { ...last, problem }
      if (before === undefined) throw new TufError(codeOf(error), problem, { cause: error })
      return { state: await verifiedAgain(before, target, problem), refreshedAt: undefined, problem }
    }
  }

  /** What an earlier process has kept, verified from the pinned root on; what has expired since is not taken (case 70). */
  async function verifiedAgain(before: TufState, target: string, problem: string): Promise<TufState> {
    try {
      const state = await cache.withScratch(scratch =>
        updateTarget({ pinnedRoot, before, target, scratch, download: async path => fromState(before, path) }),
      )
      checkTarget(state, target)
      return state
    } catch (cause) {
      throw new TufError(codeOf(cause), `${problem}; and the cache cannot be used: ${messageOf(cause)}`, { cause })
    }
  }

  function checkTarget(state: TufState, target: string): void {
    try {
      check(state.target, target)
    } catch (cause) {
      throw new TufError('TARGET', messageOf(cause), { cause })
    }
  }

  return {
    async get(target, signal) {
      const last = kept.get(target)
      const isFresh =
        last?.refreshedAt !== undefined &&
        last.problem === undefined &&
        performance.now() - last.refreshedAt < refreshMs
      if (isFresh) return { bytes: last.state.target, stale: undefined }
      const running = underWay.get(target) ?? refreshed(target, signal).finally(() => underWay.delete(target))
      underWay.set(target, running)
      const next = await running
      kept.set(target, next)
      return { bytes: next.state.target, stale: next.problem }
    },
    close: () => mirror.close(),
  }
}

/** A kept state as a repository that has nothing else. */
function fromState(state: TufState, path: string): Buffer | undefined {
  if (path === 'timestamp.json') return state.timestamp
  if (/^(?:\d+\.)?snapshot\.json$/.test(path)) return state.snapshot
  if (/^(?:\d+\.)?targets\.json$/.test(path)) return state.targets
  return path.startsWith('targets/') ? state.target : undefined
}

function codeOf(error: unknown): TufError['code'] {
  return error instanceof TufError ? error.code : 'METADATA'
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
