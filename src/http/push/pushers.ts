import type { RegistryHost } from '../../reference/repository.ts'

/** Who may push to a registry: `anybody` who gets in at the front, or users by name. A registry that is not here: nobody. */
export type Pushers = ReadonlyMap<RegistryHost, 'anybody' | ReadonlySet<string>>

export function mayPush(pushers: Pushers, host: RegistryHost, user: string | undefined): boolean {
  const allowed = pushers.get(host)
  if (allowed === undefined) return false
  return allowed === 'anybody' || (user !== undefined && allowed.has(user))
}

/**
 * Whether this user may read what the policy refuses: who signs an image has to read it first (Harbor #22650, where the
 * policy blocks the signer). Only users who are named; where anybody may push, anybody could pull whatever they pushed.
 */
export function mayReadUnsigned(pushers: Pushers, host: RegistryHost, user: string | undefined): boolean {
  return pushers.get(host) !== 'anybody' && mayPush(pushers, host, user)
}
