import type { DecisionRecord } from './decision-log.ts'

/** The stations of a pull that have a span of their own. */
export type Station = 'policy' | 'manifest' | 'verdict' | 'signatures' | 'verification'

/** Does a piece of work, and may take its time. */
export type Around = <T>(station: Station, work: () => Promise<T>) => Promise<T>

/** A question to an upstream or the key broker that has just been answered; all words are of bounded sets. */
export type Asked = {
  readonly whom: 'upstream' | 'keybroker'
  /** manifest, blob, referrers, …; get of a broker. */
  readonly operation: string
  /** The registry by its logical name, or the kind of broker. */
  readonly name: string
  readonly outcome: string
  readonly seconds: number
}

export type TracedPull = {
  readonly method: string
  readonly repository: string
  readonly by: 'tag' | 'digest'
  /** As the client sent it. */
  readonly untrustedTraceparent: string | undefined
  /** Of the answer; asked when it is there. */
  readonly statusCode: () => number
}

/** A trace per pull. Outside a pull nothing is recorded. */
export type Tracing = {
  readonly pull: <T>(pull: TracedPull, work: () => Promise<T>) => Promise<T>
  readonly around: Around
  readonly asked: (asked: Asked) => void
  readonly decided: (record: DecisionRecord) => void
  /** Work that is none of the pull's, though it begins there. */
  readonly aside: <T>(work: () => T) => T
  /** Sends what waits, for a few seconds at most. */
  readonly close: () => Promise<void>
}

/** Without tracing. */
export const untraced: Around = (_station, work) => work()
