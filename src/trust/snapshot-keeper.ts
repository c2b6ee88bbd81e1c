import { setTimeout as sleep } from 'node:timers/promises'
import { SingleFlight } from '../cache/single-flight.ts'
import { areUnchanged, type FileStamp } from './local-file.ts'
import { loadSnapshot, type SnapshotOptions } from './load-snapshot.ts'
import type { Snapshot } from './snapshot.ts'
import { messageOf, TrustError } from './trust-error.ts'

export type KeeperOptions = SnapshotOptions & {
  /** Milliseconds; `refresh` only matters where a key broker or a TUF repository is asked, `maxAge` with a key broker. */
  readonly timing: {
    /** How old the last look at the files may be when a request asks for the snapshot. */
    readonly lookMs: number
    /** How often files are looked at when nobody asks. */
    readonly pollMs: number
    /** How often they are asked again; undefined: there is none. */
    readonly refreshMs: number | undefined
    /** How long the last good snapshot is used while loading fails; undefined: for ever. */
    readonly maxAgeMs: number | undefined
    /** Longest time one loading may take. */
    readonly loadMs: number
  }
  readonly onEvent: (event: KeeperEvent) => void
  /** Lets go of the broker. */
  readonly onClose: () => void
}

export type KeeperEvent =
  | { readonly type: 'loaded'; readonly snapshot: Snapshot }
  /** Loaded, but some of it is the last good one, because a newer one could not be had. */
  | { readonly type: 'stale'; readonly snapshot: Snapshot; readonly problems: readonly string[] }
  | { readonly type: 'failed'; readonly error: unknown; readonly inForce: Snapshot | undefined }

export type KeeperStatus = {
  readonly snapshot: Snapshot | undefined
  /** Why the newest files or resources are not in force, if they are not. */
  readonly problem: string | undefined
  /** What of the snapshot could not be refreshed and is the last good one instead, one line each. */
  readonly stale: readonly string[]
  /** Milliseconds since loading last succeeded or the files were last seen unchanged. */
  readonly ageMs: number | undefined
}

const CHEAP_STAMPS = 64
/** When a look ahead of time is due, as a part of `lookMs`: late, for looking often costs, and early enough to be over by then. */
const LOOK_AHEAD = 0.75
const FIRST_RETRY_MS = 250
const LAST_RETRY_MS = 5_000

/**
 * Keeps the newest good snapshot. A change of a file counts from the next request on: the files are looked at (not read)
 * whenever the last look is older than `lookMs`, and loading is awaited if they changed. What cannot be loaded as a
 * whole is reported and the last good snapshot stays in force (I10), for at most `maxAgeMs`.
 */
export class SnapshotKeeper {
  readonly #options: KeeperOptions
  readonly #closing = new AbortController()
  #snapshot: Snapshot | undefined
  #stamps: readonly FileStamp[] = []
  #problem: string | undefined
  #stale: readonly string[] = []
  #goodAt = 0
  #lookedAt = 0
  #lookMs: number
  readonly #looks = new SingleFlight<void>()
  readonly #loadings = new SingleFlight<void>()

  constructor(options: KeeperOptions) {
    this.#options = options
    this.#lookMs = options.timing.lookMs
  }

  /**
   * Loads for the first time and starts looking after changes.
   *
   * @throws TrustError if there is no good snapshot yet; `keepTrying()` goes on until there is
   */
  async start(): Promise<void> {
    await this.#load()
    void this.#poll()
    if (this.#snapshot === undefined) throw this.#unavailable()
  }

  /**
   * The snapshot in force if it was looked after just now, without waiting; the hot path of a pull. While pulls come in their
   * files are looked at ahead of time, so that none of them has to wait for it.
   */
  fresh(): Snapshot | undefined {
    const age = performance.now() - this.#lookedAt
    if (age >= this.#lookMs || this.#tooOld()) return undefined
    if (age >= this.#lookMs * LOOK_AHEAD && this.#looks.size === 0) void this.#lookAhead()
    return this.#snapshot
  }

  /**
   * The snapshot in force, after any change of its files has been taken in.
   *
   * @throws TrustError NO_SNAPSHOT
   */
  async current(): Promise<Snapshot> {
    if (performance.now() - this.#lookedAt >= this.#lookMs) await this.#lookAtFiles()
    if (this.#snapshot === undefined || this.#tooOld()) throw this.#unavailable()
    return this.#snapshot
  }

  /** Loads anew, whatever the time: somebody else has found something newer. What fails is told as ever. */
  async refresh(): Promise<void> {
    // A loading that is under way may have begun before it was there.
    if (this.#loadings.size > 0) await this.#load()
    await this.#load()
  }

  status(): KeeperStatus {
    return {
      snapshot: this.#tooOld() ? undefined : this.#snapshot,
      problem: this.#problem,
      stale: this.#stale,
      ageMs: this.#snapshot === undefined ? undefined : performance.now() - this.#goodAt,
    }
  }

  close(): void {
    this.#closing.abort()
    this.#options.onClose()
  }

  #tooOld(): boolean {
    const { maxAgeMs } = this.#options.timing
    return this.#problem !== undefined && maxAgeMs !== undefined && performance.now() - this.#goodAt > maxAgeMs
  }

  #unavailable(): TrustError {
    return new TrustError('NO_SNAPSHOT', [`no policy is in force: ${this.#problem ?? 'it is being loaded'}`])
  }

  async #lookAtFiles(): Promise<void> {
    return this.#looks.run('files', () => this.#lookOnce())
  }

  async #lookAhead(): Promise<void> {
    try {
      await this.#lookAtFiles()
    } catch {
      // Nobody waits for this one. The next look is somebody's, who is told.
    }
  }

  async #lookOnce(): Promise<void> {
    const begun = performance.now()
    const unchanged = await areUnchanged(this.#stamps)
    // With thousands of key files a look costs something: then it is never more than a tenth of the time.
    const isCostly = this.#stamps.length > CHEAP_STAMPS
    this.#lookMs = Math.max(this.#options.timing.lookMs, isCostly ? 10 * (performance.now() - begun) : 0)
    if (!unchanged) await this.#load()
    else if (this.#problem === undefined && this.#options.timing.refreshMs === undefined) this.#goodAt = begun
    this.#lookedAt = performance.now()
  }

  async #load(): Promise<void> {
    return this.#loadings.run('snapshot', () => this.#loadOnce())
  }

  async #loadOnce(): Promise<void> {
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(this.#options.timing.loadMs)])
    try {
      const { snapshot, stale } = await loadSnapshot(this.#options, signal, stamps => {
        this.#stamps = stamps
      })
      const before = this.#snapshot
      const wasBroken = this.#problem !== undefined || (this.#stale.length > 0 && stale.length === 0)
      const isStaleNews = stale.length > 0 && stale.join('\n') !== this.#stale.join('\n')
      this.#problem = undefined
      this.#stale = stale
      this.#goodAt = performance.now()
      // An unchanged id keeps the old object, and with it everything that is remembered under it (case 200).
      if (before?.id !== snapshot.id) this.#snapshot = snapshot
      if (before?.id !== snapshot.id || wasBroken) this.#options.onEvent({ type: 'loaded', snapshot })
      if (isStaleNews) this.#options.onEvent({ type: 'stale', snapshot, problems: stale })
    } catch (error) {
      if (this.#closing.signal.aborted) return
      const problem = messageOf(error)
      const isNews = problem !== this.#problem
      this.#problem = problem
      if (isNews) this.#options.onEvent({ type: 'failed', error, inForce: this.#snapshot })
    }
    this.#lookedAt = performance.now()
  }

  /** Looks after files that nobody asks about, after the broker, and after what failed, until closed. */
  async #poll(): Promise<void> {
    const { pollMs, refreshMs } = this.#options.timing
    let retryMs = FIRST_RETRY_MS
    while (!this.#closing.signal.aborted) {
      const failed = this.#problem !== undefined
      const waitMs = failed ? retryMs * (0.75 + Math.random() / 2) : Math.min(pollMs, refreshMs ?? pollMs)
      try {
        await sleep(waitMs, undefined, { ref: false, signal: this.#closing.signal })
      } catch {
        return // closed while waiting
      }
      retryMs = failed ? Math.min(retryMs * 2, LAST_RETRY_MS) : FIRST_RETRY_MS
      const refreshIsDue = refreshMs !== undefined && performance.now() - this.#goodAt >= refreshMs
      if (failed || refreshIsDue || this.#stale.length > 0) await this.#load()
      else await this.#lookAtFiles()
    }
  }
}
