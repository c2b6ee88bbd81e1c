import type { Config } from '../config/config.ts'
import { ConfigError } from '../config/load-config.ts'
import { KeyBrokerError, type KeyBroker } from '../keybroker/broker.ts'
import { measuredBroker, type ObserveAsk } from '../keybroker/measured-broker.ts'
import { openKeyBroker } from '../keybroker/open-broker.ts'
import type { AskBroker, AskTuf, PolicyPlace } from '../trust/load-snapshot.ts'
import { SnapshotKeeper, type KeeperEvent } from '../trust/snapshot-keeper.ts'
import { askBrokerWith } from './ask-broker.ts'

export type KeeperParts = {
  readonly askTuf: AskTuf | undefined
  readonly onEvent: (event: KeeperEvent) => void
  /** Told of every question to the key broker. */
  readonly onAsked: ObserveAsk
}

const MS = 1000
/** Short enough that a change counts with the next pull, long enough that a busy gate looks rarely. */
const LOOK_MS = 2
const POLL_MS = 5 * MS
const LOAD_MS = 60 * MS

/** The keeper of the configured policy, with the key broker and the TUF repository behind it if there are any. */
export function openSnapshotKeeper(config: Config, { askTuf, onEvent, onAsked }: KeeperParts): SnapshotKeeper {
  const { keyBroker, tuf } = config
  const refreshes = [keyBroker?.refresh, tuf?.refresh].filter(seconds => seconds !== undefined)
  const broker = keyBroker && openAskBroker(keyBroker, onAsked)
  return new SnapshotKeeper({
    policy: policyPlaceOf(config.policy),
    settings: [config.signedIdentityDefault, config.index, String(config.indexDepth)],
    askBroker: broker?.ask,
    askTuf,
    onClose: () => broker?.close(),
    timing: {
      lookMs: LOOK_MS,
      pollMs: POLL_MS,
      refreshMs: refreshes.length === 0 ? undefined : Math.min(...refreshes) * MS,
      maxAgeMs: keyBroker === undefined || keyBroker.maxAge === 0 ? undefined : keyBroker.maxAge * MS,
      loadMs: LOAD_MS,
    },
    onEvent,
  })
}

/** The configured key broker, ready to be asked for what a policy names. @throws ConfigError */
export function openAskBroker(
  config: NonNullable<Config['keyBroker']>,
  onAsked: ObserveAsk = () => {},
): {
  readonly ask: AskBroker
  readonly close: () => void
} {
  const { kind, address, aaKbcParams, timeout } = config
  let broker: KeyBroker
  try {
    broker = measuredBroker(openKeyBroker({ kind, address, aaKbcParams, timeoutMs: timeout * MS }), onAsked)
  } catch (cause) {
    if (!(cause instanceof KeyBrokerError)) throw cause
    throw new ConfigError('the configuration', [cause.message], { cause })
  }
  return { ask: askBrokerWith(broker, config), close: () => broker.close() }
}

function policyPlaceOf(policy: Config['policy']): PolicyPlace {
  if (typeof policy !== 'string') return { kind: 'broker', resource: policy.resource }
  return policy.startsWith('kbs:') ? { kind: 'broker', resource: policy } : { kind: 'file', path: policy }
}
