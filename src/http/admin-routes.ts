import type { FastifyInstance } from 'fastify'
import type { Explanations } from '../observe/decision-log.ts'
import type { Snapshot } from '../trust/snapshot.ts'
import type { KeeperStatus } from '../trust/snapshot-keeper.ts'

export type AdminRoutesOptions = {
  readonly status: () => KeeperStatus
  /** Of the shadow policy; it says nothing about readiness. */
  readonly shadowStatus: (() => KeeperStatus) | undefined
  readonly isStopping: () => boolean
  /** Of the memory that replicas share, where there is one: to be seen, and no reason to be unready. */
  readonly sharedStatus: (() => { readonly status: 'up' | 'down'; readonly since: Date }) | undefined
  readonly explanations: Explanations
  readonly metrics: { readonly contentType: string; readonly render: () => Promise<string> }
}

/** For operators, on a port of its own: /healthz (the process is alive), /readyz (pulls can be judged), /metrics, /explain/<id>. */
export async function adminRoutes(app: FastifyInstance, options: AdminRoutesOptions): Promise<void> {
  app.get('/healthz', async () => ({ status: 'alive' }))

  app.get('/readyz', async (_request, reply) => {
    const { snapshot, problem, stale, ageMs } = options.status()
    const isReady = snapshot !== undefined && !options.isStopping()
    return reply.code(isReady ? 200 : 503).send({
      status: isReady ? 'ready' : options.isStopping() ? 'stopping' : 'not ready',
      ...(snapshot === undefined ? {} : { policy: describe(snapshot, ageMs) }),
      ...(problem === undefined ? {} : { problem }),
      ...(stale.length === 0 ? {} : { stale }),
      ...(options.sharedStatus === undefined ? {} : { shared: options.sharedStatus() }),
      ...(options.shadowStatus === undefined ? {} : { shadowPolicy: describeShadow(options.shadowStatus()) }),
    })
  })

  app.get('/metrics', async (_request, reply) =>
    reply.header('content-type', options.metrics.contentType).send(await options.metrics.render()),
  )

  app.get<{ Params: { id: string } }>('/explain/:id', async (request, reply) => {
    const explanation = options.explanations.get(request.params.id)
    if (explanation !== undefined) return explanation
    return reply.code(404).send({
      error: 'no such decision, or too long ago: only what was not simply accepted is kept, and only the newest',
    })
  })
}

function describe(snapshot: Snapshot, ageMs: number | undefined): object {
  const ageSeconds = Math.round((ageMs ?? 0) / 1000)
  return { id: snapshot.id, loadedAt: snapshot.loadedAt.toISOString(), ageSeconds }
}

function describeShadow({ snapshot, problem, stale, ageMs }: KeeperStatus): object {
  return {
    ...(snapshot === undefined ? {} : describe(snapshot, ageMs)),
    ...(problem === undefined ? {} : { problem }),
    ...(stale.length === 0 ? {} : { stale }),
  }
}
