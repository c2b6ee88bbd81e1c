import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crane, docker, podman, skopeo, startDockerDaemon, type Client } from './clients.ts'
import type { Server } from './processes.ts'
import type { Programs } from './programs.ts'
import { createPublisher, type Publisher } from './publisher.ts'
import { startRegistry, type Registry } from './registry.ts'

/** What a suite plays on: a temporary directory, a registry, somebody who signs, and four clients. */
export interface Scene {
  readonly directory: string
  readonly registry: Registry
  readonly publisher: Publisher
  readonly clients: readonly Client[]
  /** Ends what was started here and what `also` was told of, last first, and removes the directory. */
  readonly close: () => Promise<void>
  readonly also: (server: Server) => void
}

/** Opens the scene. What was started before a step failed is ended before the error goes on. */
export async function openScene(programs: Programs): Promise<Scene> {
  const directory = mkdtempSync(join(tmpdir(), 'sealgate-e2e-'))
  const remove = (): void => removeTree(directory)
  process.on('exit', remove)
  const servers: Server[] = []
  const close = async (): Promise<void> => {
    for (const server of servers.reverse()) await server.stop()
    remove()
    process.off('exit', remove)
  }
  try {
    const registry = await startRegistry(programs, join(directory, 'registry'))
    servers.push(registry)
    const daemon = await startDockerDaemon(programs, join(directory, 'docker'))
    servers.push(daemon)
    const clients = [
      docker(programs, daemon.socket, join(directory, 'docker')),
      podman(programs, join(directory, 'podman')),
      skopeo(programs, join(directory, 'skopeo')),
      crane(programs, join(directory, 'crane')),
    ]
    const publisher = createPublisher(programs, registry.host, join(directory, 'publisher'))
    return { directory, registry, publisher, clients, close, also: server => void servers.push(server) }
  } catch (error) {
    await close()
    throw error
  }
}

/** Removes the directory and all in it, with what a killed daemon left mounted there, and while its servers still die. */
function removeTree(directory: string): void {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n')
  const inside = mounts.flatMap(line => line.split(' ')[1] ?? []).filter(path => path.startsWith(`${directory}/`))
  for (const path of inside.toReversed()) spawnSync('umount', ['--lazy', path])
  rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
}
