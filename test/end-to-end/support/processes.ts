import { spawn, type ChildProcess } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { limits } from './limits.ts'

/** What a command left behind: `terminal` is what a person would have read, standard output and errors in the order they came. */
export interface Outcome {
  readonly exitCode: number
  readonly output: string
  readonly terminal: string
}

/** A server that runs until it is stopped. */
export interface Server {
  /** undefined if it could not be started. */
  readonly pid: number | undefined
  /** What it has printed so far. */
  readonly log: () => string
  readonly stop: () => Promise<void>
  /** As a crash would end it. */
  readonly kill: () => Promise<void>
}

export interface Command {
  readonly program: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

const running = new Set<ChildProcess>()

// Whatever way this process ends, its children end with it. tap ends a file that is over time with a signal.
process.on('exit', () => {
  for (const child of running) endGroup(child, 'SIGKILL')
})
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, () => process.exit(1))

/** Runs a command to its end. A command that is over time is ended, and says so in `terminal`. */
export async function run(command: Command): Promise<Outcome> {
  const child = start(command, 'pipe')
  const output: Buffer[] = []
  const terminal: Buffer[] = []
  child.stdout?.on('data', (chunk: Buffer) => {
    output.push(chunk)
    terminal.push(chunk)
  })
  child.stderr?.on('data', (chunk: Buffer) => {
    terminal.push(chunk)
  })
  const timer = setTimeout(() => {
    terminal.push(Buffer.from(`\n[ended after ${limits.command} ms]`))
    endGroup(child, 'SIGKILL')
  }, limits.command)
  const exitCode = await ended(child)
  clearTimeout(timer)
  return { exitCode, output: Buffer.concat(output).toString(), terminal: Buffer.concat(terminal).toString() }
}

/** Runs a command that must succeed; gives its standard output without the last line end. Throws with what it printed. */
export async function must(command: Command): Promise<string> {
  const outcome = await run(command)
  if (outcome.exitCode === 0) return outcome.output.trimEnd()
  const line = [command.program, ...command.args].join(' ')
  throw new Error(`${line}: exit code ${outcome.exitCode}\n${outcome.terminal}`)
}

/** Starts a server whose output goes to `logFile`, and waits until `isReady` says yes. Throws with its log when it doesn't. */
export async function startServer(
  command: Command & { readonly logFile: string; readonly isReady: () => Promise<boolean> },
): Promise<Server> {
  const log = openSync(command.logFile, 'a')
  const child = start(command, log)
  closeSync(log)
  const end = ended(child)
  const server = {
    pid: child.pid,
    log: () => readFileSync(command.logFile, 'utf8'),
    stop: async () => {
      endGroup(child, 'SIGTERM')
      const timer = setTimeout(() => endGroup(child, 'SIGKILL'), limits.stop)
      await end
      clearTimeout(timer)
    },
    kill: async () => {
      endGroup(child, 'SIGKILL')
      await end
    },
  }
  const deadline = Date.now() + limits.start
  while (!(await command.isReady())) {
    const failed = child.exitCode !== null || child.signalCode !== null
    if (failed || Date.now() > deadline) {
      await server.stop()
      throw new Error(`${command.program} ${failed ? 'ended' : 'did not answer'}; its log:\n${server.log()}`)
    }
    await sleep(limits.poll)
  }
  return server
}

/** Whether a GET on the address is answered with 2xx. */
export async function answers(url: string, status = 200): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(limits.start) })
    await response.arrayBuffer()
    return response.status === status
  } catch {
    // Not there yet is what is asked here; startServer bounds how often.
    return false
  }
}

/** Whether a GET on a unix socket is answered with 200. */
export async function answersOnSocket(socketPath: string, path: string): Promise<boolean> {
  return new Promise(resolve => {
    const attempt = request({ socketPath, path, timeout: limits.start }, response => {
      response.resume()
      response.once('end', () => resolve(response.statusCode === 200))
    })
    attempt.once('timeout', () => attempt.destroy())
    // Not there yet is what is asked here; startServer bounds how often.
    attempt.once('error', () => resolve(false))
    attempt.end()
  })
}

/** Whether anybody listens on a unix socket. */
export async function answersOn(socketPath: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(socketPath, () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/**
 * A loopback port that nobody listens on just now. Below those that Linux gives to outgoing connections (32768 and up), so that
 * none of them has it when a server is started on it, or started again.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(15_000, 32_000)
    if (await isFree(port)) return port
  }
}

async function isFree(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', error => {
      if ('code' in error && error.code === 'EADDRINUSE') resolve(false)
      else reject(error)
    })
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

/** In a process group of its own, so that what the program starts ends with it; standard input is empty. */
function start({ program, args, env }: Command, output: 'pipe' | number): ChildProcess {
  const child = spawn(program, args, {
    detached: true,
    env: { ...process.env, ...env },
    stdio: ['ignore', output, output],
  })
  running.add(child)
  return child
}

async function ended(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', error => {
      running.delete(child)
      reject(error)
    })
    child.once('close', code => {
      running.delete(child)
      resolve(code ?? -1)
    })
  })
}

function endGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  try {
    process.kill(-child.pid, signal)
  } catch (error) {
    // ESRCH: it ended by itself in between, which is what was wanted.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}
