import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http'
import { fastify, type FastifyInstance } from 'fastify'
import { LRUCache } from 'lru-cache'
import type { Config, ListenAddress } from './config/config.ts'
import { adminRoutes } from './http/admin-routes.ts'
import { AdmittedBlobs } from './http/admitted-blobs.ts'
import { HashThread } from './http/blob/hash-thread.ts'
import { UploadTokens } from './http/push/upload-token.ts'
import { errorBody } from './http/oci-error.ts'
import { registryRoutes } from './http/registry-routes.ts'
import { Slots } from './http/slots.ts'
import { Explanations } from './observe/decision-log.ts'
import { logKeeperEvent, logShadowEvent, type Logger } from './observe/logger.ts'
import type { Metrics } from './observe/metrics.ts'
import { untraced } from './observe/tracing.ts'
import { openFront } from './assembly/open-front.ts'
import { tracedParts } from './assembly/traced-parts.ts'
import { openObservers, type EngineObservers } from './assembly/open-observers.ts'
import type { OpenedShared } from './assembly/open-shared.ts'
import { openShadow, type OpenedShadow } from './assembly/open-shadow.ts'
import { openSnapshotKeeper, type KeeperParts } from './assembly/open-snapshot-keeper.ts'
import { openTuf } from './assembly/open-tuf.ts'
import { pushersOf } from './assembly/pushers-of.ts'
import { openTls, type Tls } from './assembly/open-tls.ts'
import type { Repository } from './reference/repository.ts'
import type { SnapshotKeeper } from './trust/snapshot-keeper.ts'
import { DEFAULT_LOOKASIDE_LIMITS, readLookaside } from './upstream/lookaside-client.ts'
import { openUpstreams } from './upstream/open-upstreams.ts'
import { upstreamPlaces } from './assembly/upstream-places.ts'
import { loadRegistriesD } from './assembly/load-registries-d.ts'
import { NO_LOOKASIDE } from './signatures/lookaside.ts'
import { signatureSourceOf } from './assembly/signature-source-of.ts'
import { ManifestStore } from './upstream/manifest-store.ts'
import type { Upstreams } from './upstream/upstreams.ts'
import { AdmittedDigests } from './verdict/admitted-digests.ts'
import { createSharedJudge } from './verdict/shared-judge.ts'
import type { SharedMemory } from './verdict/shared-memory.ts'
import { createJudge, type Judge, type JudgeOptions } from './verdict/judge.ts'
import { sharedLookUps } from './verdict/shared-look-ups.ts'
import { signatureRepositories } from './verdict/signature-repositories.ts'
import { signatureFinder } from './verdict/signature-finder.ts'
import { VerdictCache } from './verdict/verdict-cache.ts'
import type { Membership } from './workers/member.ts'
import type { AdminPage } from './workers/messages.ts'

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

/** The whole program, listening or not. */
export type Gate = {
  readonly engine: Engine
  readonly registry: FastifyInstance
  readonly admin: FastifyInstance
  /** Listens; readiness and the policy's first loading are `engine.snapshots.start()`'s. */
  readonly listen: () => Promise<{ readonly registry: string; readonly admin: string }>
  /** Stops taking pulls, lets those under way finish for a while, and closes everything. */
  readonly close: () => Promise<void>
}

const MAX_OPAQUE_BLOBS = 20_000
const DIGEST_MS = 10 * 60 * 1000
const MAX_ADMITTED_DIGESTS = 50_000
const ADMITTED_MS = 24 * 3600 * 1000
/** Told anew while its index is pulled; shorter than in memory, since what is there may be played back until then. */
const SHARED_ADMITTED_MS = 3600 * 1000
const LIST_MS = 30_000
const MANIFEST_MS = 30_000
const MAX_URL_LENGTH = 8192
const MS = 1000
const REQUEST_MS = 60_000

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

/** Joins the engine with the registry in front and the admin port; one of several workers shares both with the others. */
export async function createGate(config: Config, logger: Logger, member?: Membership): Promise<Gate> {
  const front = await openFront(config, logger)
  const tls = await openTls(config.tls, logger)
  const slots = new Slots(config.limits.pulls)
  const observers = await openObservers(config, logger, {
    brokerKind: config.keyBroker?.kind,
    pullsUnderWay: () => slots.taken,
    snapshotAgeMs: () => engine.snapshots.status().ageMs,
    staleMaterials: () => engine.snapshots.status().stale.length,
  })
  const shared = await openSharedIfAny(config, logger, observers.metrics, member)
  const engine = await createEngine(config, logger, observers.engine, shared?.memory)
  const pushers = pushersOf(config.registries)
  const explanations = new Explanations()
  const hashThread = new HashThread()
  let stopping = false
  const onInternalError = (error: unknown, what: string): void => logger.error({ err: error, what }, 'internal error')

  // An upload may take its time: those who push are held to `stallSeconds` between two pieces instead.
  const requestMs = pushers.size > 0 ? 0 : REQUEST_MS
  const registry = createServer({ shutdownSeconds: config.shutdownSeconds, tls, requestMs })
  await registry.register(registryRoutes, {
    names: {
      registries: new Set(config.registries.keys()),
      defaultRegistry: config.defaultRegistry,
      hostNames: config.hostNames,
    },
    front,
    onInternalError,
    gate: {
      ...tracedParts(engine, observers.tracing),
      upstreams: engine.upstreams,
      manifests: engine.manifests,
      verdictMs: config.limits.verdictSeconds * MS,
      headOnRefusal: config.headOnRefusal,
      pushers,
      forgetRefusals: engine.forgetRefusals,
      uploadTokens: new UploadTokens(member?.uploadKey),
      onPush(pushed) {
        observers.metrics.push(pushed.step)
        logger.info(pushed, 'push passed on')
      },
      slots,
      enforce: observers.enforce,
      blobs: config.blobs,
      admittedBlobs: new AdmittedBlobs(),
      opaqueBlobs: new LRUCache<string, true>({ max: MAX_OPAQUE_BLOBS }),
      explanations,
      explainUrl: config.explainUrl ?? `http://${formatAddress(config.admin)}`,
      listMs: LIST_MS,
      onDecision: observers.onDecision,
      onBlobSent: bytes => observers.metrics.blobBytes(bytes),
      onBlobStopped(reason, error, what) {
        observers.metrics.blobStopped(reason)
        logger.warn({ err: error, blob: what, reason }, 'blob stopped')
      },
      hashThread,
      stallMs: config.limits.stallSeconds * MS,
      onInternalError,
    },
  })
  const admin = createAdminServer(config.shutdownSeconds)
  await admin.register(adminRoutes, {
    status: () => engine.snapshots.status(),
    shadowStatus: engine.shadow?.status,
    isStopping: () => stopping,
    sharedStatus: shared?.status,
    explanations,
    metrics: observers.metrics,
  })

  return {
    engine,
    registry,
    admin,
    async listen() {
      await shared?.start()
      engine.shadow?.start()
      const adminAddress = member === undefined ? await listenOn(admin, config.admin) : formatAddress(config.admin)
      member?.serveAdmin(path => adminPage(admin, path))
      const address = await listenOn(registry, config.listen)
      member?.listening()
      return { registry: tls === undefined ? address : address.replace(/^http:/, 'https:'), admin: adminAddress }
    },
    async close() {
      stopping = true
      await registry.close()
      front.close()
      tls?.close()
      shared?.close()
      await engine.close()
      await hashThread.close()
      await observers.close()
      await admin.close()
    },
  }
}

/** Its client is read where it is configured. */
async function openSharedIfAny(
  config: Config,
  logger: Logger,
  metrics: Pick<Metrics, 'shared'>,
  member: Membership | undefined,
): Promise<OpenedShared | undefined> {
  if (config.shared === undefined && member === undefined) return undefined
  const { openShared, openWorkersShared } = await import('./assembly/open-shared.ts')
  if (config.shared !== undefined) return openShared(config, config.shared, logger, metrics)
  return member && openWorkersShared(config, member, logger, metrics)
}

/** The admin port, without its routes. */
export function createAdminServer(shutdownSeconds: number): FastifyInstance {
  return createServer({ shutdownSeconds, tls: undefined, requestMs: REQUEST_MS })
}

async function adminPage(admin: FastifyInstance, path: string): Promise<AdminPage> {
  const { statusCode, headers, body } = await admin.inject({ method: 'GET', url: path })
  return { status: statusCode, contentType: headers['content-type'] ?? 'text/plain', body }
}

type ServerOptions = {
  readonly shutdownSeconds: number
  readonly tls: Tls | undefined
  /** Milliseconds for a whole request to come in; 0: as long as it takes. */
  readonly requestMs: number
}

/** A server with the limits that keep one client's slowness its own (case 146). */
function createServer({ shutdownSeconds, tls, requestMs }: ServerOptions): FastifyInstance {
  const limits = {
    keepAliveTimeout: 75 * MS,
    requestTimeout: requestMs,
    headersTimeout: 20 * MS,
    insecureHTTPParser: false,
    maxHeaderSize: 16 * 1024,
    requireHostHeader: true,
  } as const
  const app: FastifyInstance = fastify({
    logger: false,
    trustProxy: false,
    bodyLimit: 1024,
    serverFactory: (listener: RequestListener): Server =>
      tls === undefined ? createHttpServer(limits, listener) : tls.serve(limits, listener),
    connectionTimeout: 0,
    return503OnClosing: true,
    forceCloseConnections: 'idle',
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: MAX_URL_LENGTH, ignoreTrailingSlash: false },
    // What no route even sees: targets that the router cannot decode.
    frameworkErrors: (_error, request, reply) => {
      const answer = { status: 400, code: 'NAME_INVALID', message: 'the request target is malformed' } as const
      const body = request.method === 'HEAD' ? '' : errorBody(answer)
      reply.raw.writeHead(answer.status, { 'content-type': 'application/json' }).end(body)
    },
  })
  // Pulls under way finish within the grace; after that their sockets are cut, so that SIGTERM always ends.
  app.addHook('preClose', async () => {
    setTimeout(() => app.server.closeAllConnections(), shutdownSeconds * MS).unref()
  })
  return app
}

export async function listenOn(app: FastifyInstance, address: ListenAddress): Promise<string> {
  switch (address.kind) {
    case 'tcp':
      return app.listen({ host: address.host, port: address.port })
    case 'unix':
      return app.listen({ path: address.path })
  }
}

function formatAddress(address: ListenAddress): string {
  switch (address.kind) {
    case 'tcp':
      return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`
    case 'unix':
      return address.path
  }
}
