import type { Manifest } from '../manifest/manifest.ts'
import type { ImageReference } from '../reference/image-reference.ts'
import { enforce, type Enforced, type EnforcementRules, type Judged } from './enforcement.ts'
import { ExceptionTrail } from './exception-trail.ts'

/** What becomes of a pull by the configured modes and exceptions, now. */
export type Enforcer = (judged: Judged, reference: ImageReference, manifest: Manifest, client: string) => Enforced

/** @param now the clock: exceptions end by it */
export function createEnforcer(rules: EnforcementRules, now: () => Date): Enforcer {
  const trail = new ExceptionTrail()
  return (judged, reference, manifest, client) => {
    // The hot path: nothing can take an accepted verdict back.
    if (judged.outcome === 'accepted') return { action: 'serve', because: 'accepted', decision: judged }
    const { repository } = reference
    const followed = reference.by === 'digest' ? trail.find(repository, manifest.digest, client) : undefined
    const enforced = enforce(judged, reference, rules, { now: now(), followed })
    if (enforced.action === 'serve' && enforced.because === 'exception') {
      trail.leave(enforced.exception, repository, manifest, client)
    }
    return enforced
  }
}
