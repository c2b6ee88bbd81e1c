import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { compare } from 'bcryptjs'
import { LRUCache } from 'lru-cache'
import type { GivenCredentials } from './authorization.ts'

/** Whose credentials these are. `busy`: too many passwords are being checked; it was not found out. */
export type CheckedCredentials =
  { readonly outcome: 'known'; readonly user: string } | { readonly outcome: 'unknown' } | { readonly outcome: 'busy' }

export type CheckCredentials = (given: GivenCredentials) => Promise<CheckedCredentials>

const UNKNOWN: CheckedCredentials = { outcome: 'unknown' }
/** Compared where there is no such user, so that how long it takes does not tell who is one. Nobody's password. */
const NOBODY = '$2b$10$vP29/nKZ03hJZfE/.Mz64OvoehLfnumdO7zOcZ3ExWLYu3YTeC.wS'
const REMEMBERED_MS = 60_000
const MAX_REMEMBERED = 10_000
/** bcrypt is slow by design and runs on this thread, in slices: strangers guessing must not fill it. */
const MAX_CHECKS = 4

/**
 * Checks names and passwords against bcrypt hashes. What was found out is remembered for a minute under a keyed hash of
 * name, password and stored hash: a changed password counts at once, and no password stays in memory.
 *
 * @param users the hashes in force, asked for each time
 */
export function checkPasswords(users: () => ReadonlyMap<string, string>): CheckCredentials {
  const key = randomBytes(32)
  const remembered = new LRUCache<string, boolean>({ max: MAX_REMEMBERED, ttl: REMEMBERED_MS })
  const underWay = new Map<string, Promise<boolean>>()

  return async given => {
    if (given.kind !== 'basic') return UNKNOWN
    const { user, password } = given
    const stored = users().get(user)
    const hash = stored ?? NOBODY
    const name = createHmac('sha256', key)
      .update(JSON.stringify([user, hash, password]))
      .digest('base64')
    const answer = (good: boolean): CheckedCredentials =>
      good && stored !== undefined ? { outcome: 'known', user } : UNKNOWN
    const known = remembered.get(name)
    if (known !== undefined) return answer(known)
    let checking = underWay.get(name)
    if (checking === undefined) {
      if (underWay.size >= MAX_CHECKS) return { outcome: 'busy' }
      checking = compare(password, hash).finally(() => underWay.delete(name))
      underWay.set(name, checking)
    }
    const good = await checking
    remembered.set(name, good)
    return answer(good)
  }
}

/**
 * Checks tokens against their SHA-256. A token is given as a bearer token, or as the password of the user it is named for,
 * which is what `docker login` can do.
 */
export function checkTokens(users: () => ReadonlyMap<string, string>): CheckCredentials {
  return async given => {
    switch (given.kind) {
      case 'none':
      case 'malformed':
        return UNKNOWN
      case 'basic':
        return findOwner(users(), given.password, given.user)
      case 'bearer':
        return findOwner(users(), given.token, undefined)
    }
  }
}

/** Every entry is compared, and each in constant time: how long it takes tells nothing of what is in the file. */
function findOwner(users: ReadonlyMap<string, string>, token: string, as: string | undefined): CheckedCredentials {
  const digest = createHash('sha256').update(token).digest()
  let owner: string | undefined
  for (const [user, hex] of users) {
    const isSame = timingSafeEqual(digest, Buffer.from(hex, 'hex'))
    if (isSame && (as === undefined || as === user)) owner = user
  }
  return owner === undefined ? UNKNOWN : { outcome: 'known', user: owner }
}
