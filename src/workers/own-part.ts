import { basename, dirname, join } from 'node:path'
import type { Config } from '../config/config.ts'
import { MIN_HELD_BYTES } from '../config/measures.ts'
import type { Membership } from './member.ts'

/** Of what cannot be had in common: a worker's own files, and its part of the pulls that are let in at once. */
export function ownPart(config: Config, member: Pick<Membership, 'number' | 'workers'>): Config {
  const { limits, audit, tuf } = config
  const own = `worker-${member.number}`
  return {
    ...config,
    limits: {
      ...limits,
      pulls: Math.ceil(limits.pulls / member.workers),
      heldBytes: Math.max(MIN_HELD_BYTES, Math.ceil(limits.heldBytes / member.workers)),
    },
    ...(audit === undefined
      ? {}
      : { audit: { ...audit, file: join(dirname(audit.file), `${own}-${basename(audit.file)}`) } }),
    ...(tuf === undefined ? {} : { tuf: { ...tuf, cache: join(tuf.cache, own) } }),
  }
}
