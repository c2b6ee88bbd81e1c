import cluster from 'node:cluster'
import { joinWorkers } from '../workers/member.ts'
import { serve } from './serve.ts'
import { serveWorkers } from './serve-workers.ts'
import { EXIT, type Terminal } from './terminal.ts'

/** The starting process of several workers, or one of them: each is this program with the same command line. */
export async function serveMany(configFile: string | undefined, workers: number, terminal: Terminal): Promise<number> {
  if (configFile === undefined) {
    terminal.stderr('sealgate: --workers needs a configuration: the demo is one process\n')
    return EXIT.usage
  }
  if (cluster.isPrimary) return serveWorkers(configFile, workers, terminal)
  const member = await joinWorkers({
    send: message => void process.send?.(message),
    onMessage: handler => void process.on('message', handler),
  })
  const exitCode = await serve(configFile, terminal, member)
  // The pipe would keep this process; without it the starting one hears of its end.
  cluster.worker?.disconnect()
  return exitCode
}
