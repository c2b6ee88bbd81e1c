import { createAdminServer, listenOn } from '../assembly/servers.ts'
import { loadConfig, ConfigError } from '../config/load-config.ts'
import { createLogger } from '../observe/logger.ts'
import { messageOf } from '../trust/trust-error.ts'
import { joinPages } from '../workers/admin-pages.ts'
import { startWorkers } from '../workers/primary.ts'
import { EXIT, type Terminal } from './terminal.ts'

/** Runs several workers of one gate behind its one port, and its admin port for all of them, until it is asked to stop. */
export async function serveWorkers(configFile: string, workers: number, terminal: Terminal): Promise<number> {
  let config
  try {
    config = await loadConfig(configFile)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    terminal.stderr(`sealgate: ${error.message}\n`)
    return EXIT.failed
  }
  if (config.blobs === 'admitted') {
    const why = 'each worker would know the blobs of the manifests that it has accepted itself, and refuse the others'
    terminal.stderr(`sealgate: --workers and "blobs: admitted" do not go together: ${why}\n`)
    return EXIT.usage
  }
  const logger = createLogger(config.log)
  const stopped = new Promise<void>(resolve => terminal.onSignal(resolve))
  const primary = startWorkers({
    workers,
    onListening: ({ number, pid }) => logger.info({ worker: number, pid }, 'a worker listens'),
    onLost: ({ number, code, signal }) =>
      logger.error({ worker: number, code, signal }, 'a worker ended by itself; another takes its place'),
  })
  const started = await Promise.race([primary.started, stopped.then(() => undefined)])
  if (started?.ok === false) {
    await primary.stop()
    return started.code
  }
  const admin = createAdminServer(config.shutdownSeconds)
  admin.get('/healthz', async () => ({ status: 'alive' }))
  admin.get('/*', async (request, reply) => {
    const path = request.url.split('?')[0] ?? '/'
    const page = joinPages(path, await primary.ask(path), workers)
    return reply.code(page.status).header('content-type', page.contentType).send(page.body)
  })
  try {
    const address = await listenOn(admin, config.admin)
    logger.info({ admin: address, workers }, 'all workers listen')
    await stopped
  } catch (error) {
    terminal.stderr(`sealgate: ${messageOf(error)}\n`)
    await primary.stop()
    return EXIT.failed
  }
  await primary.stop()
  await admin.close()
  return EXIT.ok
}
