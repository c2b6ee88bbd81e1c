import type { Config } from '../config/config.ts'
import { logKeeperEvent, logShadowEvent, type Logger } from '../observe/logger.ts'
import { untraced } from '../observe/tracing.ts'
import type { EngineObservers } from './open-observers.ts'
import { openShadow, type OpenedShadow } from './open-shadow.ts'
import { openSnapshotKeeper, type KeeperParts } from './open-snapshot-keeper.ts'
import { openTuf } from './open-tuf.ts'
import type { Repository } from '../reference/repository.ts'
import type { SnapshotKeeper } from '../trust/snapshot-keeper.ts'
import { DEFAULT_LOOKASIDE_LIMITS, readLookaside } from '../upstream/lookaside-client.ts'
import { openUpstreams } from '../upstream/open-upstreams.ts'
import { upstreamPlaces } from './upstream-places.ts'
import { loadRegistriesD } from './load-registries-d.ts'
import { NO_LOOKASIDE } from '../signatures/lookaside.ts'
import { signatureSourceOf } from './signature-source-of.ts'
import { ManifestStore } from '../upstream/manifest-store.ts'
import type { Upstreams } from '../upstream/upstreams.ts'
import { AdmittedDigests } from '../verdict/admitted-digests.ts'
import { createSharedJudge } from '../verdict/shared-judge.ts'
import type { SharedMemory } from '../verdict/shared-memory.ts'
import { createJudge, type Judge, type JudgeOptions } from '../verdict/judge.ts'
import { sharedLookUps } from '../verdict/shared-look-ups.ts'
import { signatureRepositories } from '../verdict/signature-repositories.ts'
import { signatureFinder } from '../verdict/signature-finder.ts'
import { VerdictCache } from '../verdict/verdict-cache.ts'

/** The parts that decide, joined: what the gate and `sealgate verify` have in common. */
export type Engine = {
  readonly snapshots: SnapshotKeeper
  readonly upstreams: Upstreams
  readonly manifests: ManifestStore
  readonly judge: Judge
  /** What was refused in a repository is judged anew. */
  readonly forgetRefusals: (repository: Repository) => void
  /** The second policy; undefined where none is configured. It loads nothing before its `start`. */
  readonly shadow: OpenedShadow | undefined
  readonly close: () => Promise<void>
}

const DIGEST_MS = 10 * 60 * 1000
const MAX_ADMITTED_DIGESTS = 50_000
const ADMITTED_MS = 24 * 3600 * 1000
/** Told anew while its index is pulled; shorter than in memory, since what is there may be played back until then. */
const SHARED_ADMITTED_MS = 3600 * 1000
const MANIFEST_MS = 30_000
const MS = 1000

/** Joins the parts that decide. Nothing is dialled and nothing is read before `snapshots.start()` and the first pull. */
export async function createEngine(
  config: Config,
  logger: Logger,
  metrics?: EngineObservers,
  shared?: SharedMemory,
): Promise<Engine> {
  const around = metrics?.around ?? untraced
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
      logKeeperEvent(logger, event)
    },
  })
  const manifests = new ManifestStore({
    fetch: (repository, reference, signal) =>
      around('manifest', async () => upstreams.forHost(repository.host)?.manifest(repository, reference, signal)),
    maxBytes: config.cache.manifestBytes,
    tagMs: config.cache.tags * MS,
    digestMs: DIGEST_MS,
    timeoutMs: MANIFEST_MS,
  })
  const verdicts = new VerdictCache({
    maxEntries: config.cache.verdicts,
    acceptedMs: config.cache.accepted * MS,
    refusedMs: config.cache.refused * MS,
  })
  const admitted = new AdmittedDigests({ maxEntries: MAX_ADMITTED_DIGESTS, ttlMs: ADMITTED_MS })
  const find = signatureFinder({
    sourceFor: repository => {
      const upstream = upstreams.forHost(repository.host)
      return upstream && signatureSourceOf(upstream)
    },
    lookaside,
    readLookaside: (location, signal) => readLookaside({ location, signal, limits: DEFAULT_LOOKASIDE_LIMITS }),
    elsewhere: signatureRepositories(config.signatureRepositories),
    limits: { maxSignatures: config.limits.signatures, maxSignatureBytes: config.limits.signatureBytes },
    timeoutMs: config.limits.verdictSeconds * MS,
  })
  const signaturesOf: JudgeOptions['signaturesOf'] = (reference, manifest) => {
    const look = find(reference, manifest)
    return kind => around('signatures', () => look(kind))
  }
  const manifestOf: JudgeOptions['manifestOf'] = (repository, digest) =>
    manifests.get({ by: 'digest', repository, digest })
  const lookUps = sharedLookUps(signaturesOf)
  const shadow = openShadow(config, {
    signaturesOf: lookUps.second,
    manifestOf,
    askTuf,
    onAsked,
    onEvent: event => {
      metrics?.shadowPolicyLoad(event.type)
      logShadowEvent(logger, event)
    },
  })
  const alone = createJudge({
    reading: config.signedIdentityDefault,
    index: config.index,
    indexDepth: config.indexDepth,
    verdicts,
    admitted,
    signaturesOf: shadow === undefined ? signaturesOf : lookUps.first,
    manifestOf,
    verifying: work => around('verification', work),
  })
  const judge =
    shared === undefined
      ? alone
      : createSharedJudge({
          judge: alone,
          verdicts,
          admitted,
          shared,
          indexDepth: config.indexDepth,
          acceptedMs: config.cache.accepted * MS,
          admittedMs: SHARED_ADMITTED_MS,
        })
  return {
    snapshots,
    forgetRefusals: repository => verdicts.forgetRefusals(repository),
    upstreams,
    manifests,
    judge,
    shadow,
    async close() {
      snapshots.close()
      await tuf?.close()
      await shadow?.close()
      await upstreams.close()
    },
  }
}
