import type { ImageReference } from '../reference/image-reference.ts'
import { scopesOf } from '../reference/scope.ts'
import { isPossible } from './clock.ts'
import type { Accepted, Evaluation, Refused } from './decision.ts'

export type Mode = 'enforce' | 'audit'

/** Lets the images of a scope through until a date although they are refused. */
export type Exception = {
  /** A host, a repository or a prefix of whole components, repository:tag or repository@digest. */
  readonly scope: string
  readonly until: Date
  readonly reason: string
  /** Who answers for it. */
  readonly by: string
}

export type EnforcementRules = {
  readonly mode: Mode
  /** By scope; the most specific one counts. */
  readonly modes: ReadonlyMap<string, Mode>
  readonly exceptions: readonly Exception[]
}

/** No verdict: something could not be found out. The manifest itself is whole and has its digest. */
export type Undecided = {
  readonly outcome: 'undecided'
  readonly reason: string
  readonly evaluation: Evaluation
  readonly retryAfterSeconds: number | undefined
}

export type Judged = Accepted | Refused | Undecided

/** What becomes of a pull. Bytes leave on `serve` and on nothing else. */
export type Enforced =
  | { readonly action: 'serve'; readonly because: 'accepted'; readonly decision: Accepted }
  | {
      readonly action: 'serve'
      readonly because: 'exception'
      readonly decision: Refused
      readonly exception: Exception
    }
  | { readonly action: 'serve'; readonly because: 'audit-mode'; readonly decision: Refused | Undecided }
  /** To somebody who may push to that registry: who signs an image has to read it first. */
  | { readonly action: 'serve'; readonly because: 'pusher'; readonly decision: Refused }
  | { readonly action: 'refuse'; readonly decision: Refused }
  | { readonly action: 'come-again'; readonly decision: Undecided }

export const ENFORCE_EVERYTHING: EnforcementRules = { mode: 'enforce', modes: new Map(), exceptions: [] }

/**
 * Applies modes and exceptions to a verdict. An exception is about refusals only: what could not be found out stays open,
 * unless the mode is audit, which promises to stop nobody.
 *
 * @param followed the exception by whose use this client was told this digest, if there is one
 * @param now when the pull is judged: an exception ends at its `until`, to the millisecond, and does not begin anew when a
 * clock is set back to before this version was made (case 202)
 */
export function enforce(
  decision: Judged,
  reference: ImageReference,
  rules: EnforcementRules,
  { now, followed }: { readonly now: Date; readonly followed: Exception | undefined },
): Enforced {
  switch (decision.outcome) {
    case 'accepted':
      return { action: 'serve', because: 'accepted', decision }
    case 'refused': {
      const exception = exceptionFor(reference, rules.exceptions, now) ?? stillHolds(followed, now)
      if (exception !== undefined) return { action: 'serve', because: 'exception', decision, exception }
      if (modeFor(reference, rules) === 'audit') return { action: 'serve', because: 'audit-mode', decision }
      return { action: 'refuse', decision }
    }
    case 'undecided':
      if (modeFor(reference, rules) === 'audit') return { action: 'serve', because: 'audit-mode', decision }
      return { action: 'come-again', decision }
  }
}

/** The mode of the most specific scope that has one. */
export function modeFor(reference: ImageReference, { mode, modes }: EnforcementRules): Mode {
  if (modes.size === 0) return mode
  for (const scope of scopesOf(reference)) {
    const found = modes.get(scope)
    if (found !== undefined) return found
  }
  return mode
}

/** The exceptions that have lapsed: to be warned about, for somebody counts on them. */
export function lapsedExceptions(exceptions: readonly Exception[], now: Date): readonly Exception[] {
  return exceptions.filter(exception => stillHolds(exception, now) === undefined)
}

function exceptionFor(reference: ImageReference, exceptions: readonly Exception[], now: Date): Exception | undefined {
  if (exceptions.length === 0) return undefined
  const scopes = new Set(scopesOf(reference))
  return exceptions.find(exception => scopes.has(exception.scope) && stillHolds(exception, now) !== undefined)
}

function stillHolds(exception: Exception | undefined, now: Date): Exception | undefined {
  return exception !== undefined && isPossible(now) && now.getTime() < exception.until.getTime() ? exception : undefined
}
