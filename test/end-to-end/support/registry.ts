import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { answers, freePort, startServer, type Server } from './processes.ts'
import type { Programs } from './programs.ts'

/** A registry of one's own on loopback; `host` is its host:port. */
export interface Registry extends Server {
  readonly host: string
  /** Its storage, for a second one on the same; undefined where it is in memory. */
  readonly data: string | undefined
}

/** Starts Debian's docker-registry (distribution 2.8: no referrers API, so cosign 3 writes referrers tags) in `directory`. */
export async function startRegistry(programs: Pick<Programs, 'registry'>, directory: string): Promise<Registry> {
  await mkdir(directory, { recursive: true })
  const host = `127.0.0.1:${await freePort()}`
  const data = join(directory, 'data')
  const configuration = {
    version: '0.1',
    log: { level: 'info' },
    storage: { filesystem: { rootdirectory: data }, delete: { enabled: true } },
    http: { addr: host },
  }
  const file = join(directory, 'registry.yml')
  // JSON is YAML too.
  await writeFile(file, JSON.stringify(configuration))
  const server = await startServer({
    program: programs.registry,
    args: ['serve', file],
    logFile: join(directory, 'registry.log'),
    isReady: async () => answers(`http://${host}/v2/`),
  })
  return { ...server, host, data }
}

/** Starts test/end-to-end/referrers-registry, in memory: go-containerregistry's own registry, with the referrers API. */
export async function startReferrersRegistry(program: string, directory: string): Promise<Registry> {
  await mkdir(directory, { recursive: true })
  const host = `127.0.0.1:${await freePort()}`
  const server = await startServer({
    program,
    args: [host],
    logFile: join(directory, 'registry.log'),
    isReady: async () => answers(`http://${host}/v2/`),
  })
  return { ...server, host, data: undefined }
}
