import type { TrustMaterial } from '../signatures/trust-material.ts'

/**
 * No right clock says that it is earlier: this version asks for a Node of that day (test/dependency-floors.test.ts). To be
 * raised with a release. By a clock that was set back, or that a machine without a battery begins with, keys, certificates
 * and exceptions would be good again that have ended since (case 202).
 */
export const NOT_BEFORE: Date = new Date('2026-07-29T00:00:00Z')

export function isPossible(now: Date): boolean {
  return now.getTime() >= NOT_BEFORE.getTime()
}

/**
 * Why nothing can be said now that rests on this trust material, if the clock is the reason. Keys alone have no end, and no
 * log that vouches for a time: they need no clock.
 */
export function clockProblem(trust: TrustMaterial, now: Date): string | undefined {
  if (isPossible(now) || (trust.by === 'keys' && trust.rekorKeys === undefined)) return undefined
  return `this machine's clock is wrong: it says ${now.toISOString()}`
}
