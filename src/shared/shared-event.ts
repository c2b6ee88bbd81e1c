import type { EntryProblem } from './entry.ts'

/** Why an entry that was there does not count. */
export type EntryRefusal = EntryProblem | 'payload' | 'wrong-type'

/** Why a look or a telling came to nothing: there is no connection, or too much under way; the server was late or failed. */
export type SharedFailure = 'down' | 'busy' | 'late' | 'failed' | 'read-only' | 'full'

/** What happened with the shared memory, for the log and the metrics; every word is one of a bounded set. */
export type SharedEvent =
  | { readonly type: 'up' }
  | { readonly type: 'down'; readonly problem: string }
  /** Something threw that should not have: a fault of this program, which no pull suffers from. */
  | { readonly type: 'fault'; readonly error: unknown }
  | { readonly type: 'look'; readonly outcome: 'hit' | 'miss' | SharedFailure; readonly ms: number }
  | { readonly type: 'refused'; readonly reason: EntryRefusal }
  | { readonly type: 'tell'; readonly outcome: 'told' | SharedFailure; readonly ms: number }
