import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants } from 'node:fs'
import { connect } from 'node:net'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

type Teardown = { readonly teardown: (handler: () => unknown) => void }

export type RedisServer = {
  readonly port: number
  /** Ends it without a goodbye, as a crash would. What it held is gone. */
  readonly kill: () => Promise<void>
  /** Starts it again on the same port, empty. */
  readonly restart: () => Promise<void>
  /** Stops and continues the process: it holds its connections and answers nobody. */
  readonly freeze: () => void
  readonly thaw: () => void
}

/** redis-server or valkey-server on PATH; undefined where there is neither. */
export function findRedis(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return ['redis-server', 'valkey-server'].flatMap(name => folders.map(folder => join(folder, name))).find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false // looked for elsewhere
  }
}

/** A real server on loopback that keeps nothing on disk, with further arguments (`['--requirepass', 'x']`). */
export async function startRedis(
  t: Teardown,
  program: string,
  port: number,
  args: readonly string[] = [],
): Promise<RedisServer> {
  let child: ChildProcess | undefined
  const start = async (): Promise<void> => {
    const fixed = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', '/tmp']
    child = spawn(program, [...fixed, ...args], { stdio: 'ignore' })
    for (let attempt = 0; !(await isListening(port)); attempt += 1) {
      if (attempt > 200 || child.exitCode !== null) throw new Error(`${program} does not start`)
      await sleep(25)
    }
  }
  const kill = async (): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
  t.teardown(kill)
  await start()
  return {
    port,
    kill,
    restart: start,
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
  }
}

async function isListening(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
