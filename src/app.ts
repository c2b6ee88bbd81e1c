import type { FastifyInstance } from 'fastify'
import type { Config } from './config/config.ts'
import { adminRoutes } from './http/admin-routes.ts'
import { HashThread } from './http/blob/hash-thread.ts'
import { Turns } from './http/blob/turns.ts'
import { UploadTokens } from './http/push/upload-token.ts'
import { registryRoutes, type RegistryGate } from './http/registry-routes.ts'
import { Slots } from './http/slots.ts'
import { Explanations } from './observe/decision-log.ts'
import type { Logger } from './observe/logger.ts'
import type { Metrics } from './observe/metrics.ts'
import { openFront } from './assembly/open-front.ts'
import type { Compartment } from './assembly/open-compartment.ts'
import { openViewers } from './assembly/open-viewers.ts'
import { tracedParts, type TracedParts } from './assembly/traced-parts.ts'
import { openObservers } from './assembly/open-observers.ts'
import type { OpenedShared } from './assembly/open-shared.ts'
import { pushersOf } from './assembly/pushers-of.ts'
import { openTls } from './assembly/open-tls.ts'
import type { Membership } from './workers/member.ts'
import type { AdminPage } from './workers/messages.ts'
import { createEngine, type Engine } from './assembly/create-engine.ts'
import { createAdminServer, createServer, formatAddress, listenOn, REQUEST_MS } from './assembly/servers.ts'

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

const LIST_MS = 30_000
const MS = 1000

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
  const engine = await createEngine(config, logger, observers.engine, shared, member?.loaded)
  const pushers = pushersOf(config.registries)
  const explanations = new Explanations()
  const hashThread = new HashThread()
  let stopping = false
  const onInternalError = (error: unknown, what: string): void => logger.error({ err: error, what }, 'internal error')

  // An upload may take its time: those who push are held to `stallSeconds` between two pieces instead.
  const requestMs = pushers.size > 0 ? 0 : REQUEST_MS
  const turns = new Turns()
  // A turn in which blobs move is long, and who asks for a manifest has waited for it already.
  const answersMayWait = (): boolean => !turns.hasStreams
  const registry = createServer({ shutdownSeconds: config.shutdownSeconds, tls, requestMs, answersMayWait })
  const ofAll: Omit<RegistryGate, keyof TracedParts | Exclude<keyof Compartment, 'forget'>> = {
    verdictMs: config.limits.verdictSeconds * MS,
    headOnRefusal: config.headOnRefusal,
    pushers,
    forget(repository, reference) {
      engine.forget(repository, reference)
      viewers?.forget(repository, reference)
    },
    uploadTokens: new UploadTokens(member?.uploadKey),
    onPush(pushed) {
      observers.metrics.push(pushed.step)
      logger.info(pushed, 'push passed on')
    },
    slots,
    budget: engine.budget,
    enforce: observers.enforce,
    blobs: config.blobs,
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
    turns,
    stallMs: config.limits.stallSeconds * MS,
    onInternalError,
  }
  const tracedGate = (compartment: Compartment): RegistryGate => {
    const { upstreams, manifests, admittedBlobs, largeBlobs } = compartment
    const traced = tracedParts(compartment, engine.snapshots, observers.tracing)
    return { ...ofAll, ...traced, upstreams, manifests, admittedBlobs, largeBlobs }
  }
  const viewers = openViewers(config, engine, tracedGate)
  await registry.register(registryRoutes, {
    names: {
      registries: new Set(config.registries.keys()),
      defaultRegistry: config.defaultRegistry,
      hostNames: config.hostNames,
    },
    front,
    onInternalError,
    gate: tracedGate(engine),
    viewers,
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
      member?.onRefresh(() => void engine.snapshots.refresh())
      member?.listening()
      return { registry: tls === undefined ? address : address.replace(/^http:/, 'https:'), admin: adminAddress }
    },
    async close() {
      stopping = true
      await registry.close()
      front.close()
      tls?.close()
      shared?.close()
      await viewers?.close()
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

async function adminPage(admin: FastifyInstance, path: string): Promise<AdminPage> {
  const { statusCode, headers, body } = await admin.inject({ method: 'GET', url: path })
  return { status: statusCode, contentType: headers['content-type'] ?? 'text/plain', body }
}
