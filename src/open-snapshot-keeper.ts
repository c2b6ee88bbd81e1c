import type { Config } from './config/config.ts'
import type { PolicyPlace } from './trust/load-snapshot.ts'
import { SnapshotKeeper, type KeeperEvent } from './trust/snapshot-keeper.ts'

const MS = 1000
/** Short enough that a change counts with the next pull, long enough that a busy gate looks rarely. */
const LOOK_MS = 2
const POLL_MS = 5 * MS
const LOAD_MS = 60 * MS

/** The keeper of the configured policy, with the key broker behind it if there is one. */
export function openSnapshotKeeper(config: Config, onEvent: (event: KeeperEvent) => void): SnapshotKeeper {
  const { keyBroker } = config
  return new SnapshotKeeper({
    policy: policyPlaceOf(config.policy),
    settings: [config.signedIdentityDefault, config.index, String(config.indexDepth)],
    askBroker: undefined,
    timing: {
      lookMs: LOOK_MS,
      pollMs: POLL_MS,
      refreshMs: keyBroker && keyBroker.refresh * MS,
      maxAgeMs: keyBroker === undefined || keyBroker.maxAge === 0 ? undefined : keyBroker.maxAge * MS,
      loadMs: LOAD_MS,
    },
    onEvent,
  })
}

function policyPlaceOf(policy: Config['policy']): PolicyPlace {
  if (typeof policy !== 'string') return { kind: 'broker', resource: policy.resource }
  return policy.startsWith('kbs:') ? { kind: 'broker', resource: policy } : { kind: 'file', path: policy }
}
