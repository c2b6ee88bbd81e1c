import { ByteBudget } from '../cache/byte-budget.ts'
import type { Config } from '../config/config.ts'
import { logKeeperEvent, logShadowEvent, type Logger } from '../observe/logger.ts'
import type { RegistryHost } from '../reference/repository.ts'
import { NO_LOOKASIDE } from '../signatures/lookaside.ts'
import type { SnapshotKeeper } from '../trust/snapshot-keeper.ts'
import type { FindCredentials } from '../upstream/credentials/credentials.ts'
import { openUpstreams } from '../upstream/open-upstreams.ts'
import type { SharedMemory } from '../verdict/shared-memory.ts'
import { loadRegistriesD } from './load-registries-d.ts'
import { openCompartment, type Compartment, type CompartmentSizes } from './open-compartment.ts'
import type { EngineObservers } from './open-observers.ts'
import { openShadow, type OpenedShadow } from './open-shadow.ts'
import { openSnapshotKeeper, type KeeperParts } from './open-snapshot-keeper.ts'
import { openTuf } from './open-tuf.ts'
import { upstreamPlaces } from './upstream-places.ts'

/** The parts that decide, joined: what the gate and `sealgate verify` have in common. */
export type Engine = Compartment & {
  readonly snapshots: SnapshotKeeper
  /** Bytes of manifests and signatures that pulls under way hold, in all compartments. */
  readonly budget: ByteBudget
  /** A compartment for somebody's own credentials at one registry. `name` is the same wherever they are, and secret. */
  readonly compartmentFor: (host: RegistryHost, credentials: FindCredentials, name: string) => Compartment
  /** The second policy; undefined where none is configured. It loads nothing before its `start`. */
  readonly shadow: OpenedShadow | undefined
}

/** What replicas share: one part for all whom the gate asks for with its own credentials, and one for each who has others. */
export type SharedMemories = {
  readonly memory: SharedMemory
  readonly apart: (name: string) => SharedMemory
}

const MiB = 1024 * 1024
const MINUTE_MS = 60_000

/** Of one who comes with credentials of their own. The manifest's minute is how long a registry that shuts them out is not asked. */
const ONE_VIEWER: CompartmentSizes = {
  manifestBytes: MiB,
  manifestMs: MINUTE_MS,
  tags: 200,
  verdicts: 200,
  admittedDigests: 1000,
  admittedBlobs: 5000,
  largeBlobs: 500,
  told: 500,
  shadow: { comparisons: 200, admitted: 1000 },
}

/** Joins the parts that decide. Nothing is dialled and nothing is read before `snapshots.start()` and the first pull. */
export async function createEngine(
  config: Config,
  logger: Logger,
  metrics?: EngineObservers,
  shared?: SharedMemories,
  onLoaded?: (snapshotId: string) => void,
): Promise<Engine> {
  const upstreams = openUpstreams(await upstreamPlaces(config), request => metrics?.upstream(request))
  const lookaside = config.lookaside === undefined ? NO_LOOKASIDE : await loadRegistriesD(config.lookaside)
  const tuf = config.tuf && (await openTuf(config.tuf))
  const askTuf = tuf?.ask
  const onAsked: KeeperParts['onAsked'] = ask => metrics?.brokerAsked(ask)
  const snapshots = openSnapshotKeeper(config, {
    askTuf,
    onAsked,
    onEvent: event => {
      metrics?.policyLoad(event.type)
      if (event.type === 'loaded') onLoaded?.(event.snapshot.id)
      logKeeperEvent(logger, event)
    },
  })
  const shadow = openShadow(config, {
    askTuf,
    onAsked,
    onEvent: event => {
      metrics?.shadowPolicyLoad(event.type)
      logShadowEvent(logger, event)
    },
  })
  const budget = new ByteBudget(config.limits.heldBytes)
  const parts = { lookaside, around: metrics?.around, shadow, budget }
  const common = openCompartment(config, { ...parts, upstreams, sizes: forAll(config), shared: shared?.memory })
  return {
    ...common,
    snapshots,
    budget,
    shadow,
    compartmentFor: (host, credentials, name) =>
      openCompartment(config, {
        ...parts,
        upstreams: upstreams.seenBy(host, credentials),
        sizes: ONE_VIEWER,
        shared: shared?.apart(name),
      }),
    async close() {
      snapshots.close()
      await tuf?.close()
      shadow?.close()
      await common.close()
      await upstreams.close()
    },
  }
}

function forAll({ cache }: Config): CompartmentSizes {
  return {
    manifestBytes: cache.manifestBytes,
    manifestMs: 10 * MINUTE_MS,
    tags: 20_000,
    verdicts: cache.verdicts,
    admittedDigests: 50_000,
    admittedBlobs: 500_000,
    largeBlobs: 20_000,
    told: 100_000,
    shadow: { comparisons: 20_000, admitted: 50_000 },
  }
}
