import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

const children: ChildProcess[] = []
process.on('exit', () => {
  // Not SIGKILL: an nginx that is killed leaves its workers behind.
  for (const child of children) child.kill('SIGTERM')
})

export function isInstalled(program: string): boolean {
  return spawnSync('which', [program]).status === 0
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const address = server.address()
  await new Promise(resolve => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

/** Starts a program and waits until its port answers. */
export async function start(program: string, args: readonly string[], port: number): Promise<ChildProcess> {
  const child = spawn(program, [...args], { stdio: ['ignore', 'ignore', 'inherit'] })
  children.push(child)
  for (let attempt = 0; attempt < 100; attempt += 1) {
    if (await answers(port)) return child
    await sleep(50)
  }
  throw new Error(`${program} does not listen on ${port}`)
}

async function answers(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => (socket.destroy(), resolve(true)))
    socket.once('error', () => resolve(false))
  })
}

/** Requests a second, by wrk with one thread and 32 connections. */
export async function requestsPerSecond(url: string, seconds: number): Promise<number> {
  const output = await run('wrk', ['-t1', '-c32', `-d${seconds}`, url])
  if (/Non-2xx/.test(output)) throw new Error(`${url}: ${output}`)
  return Number(/Requests\/sec:\s+([0-9.]+)/.exec(output)?.[1])
}

/** Megabytes a second of one download, by curl. */
export async function megabytesPerSecond(url: string): Promise<number> {
  const output = await run('curl', ['-sf', '-o', '/dev/null', '-w', '%{speed_download}', url])
  return Number(output) / 1e6
}

async function run(program: string, args: readonly string[]): Promise<string> {
  const child = spawn(program, [...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const code = await new Promise(resolve => child.once('exit', resolve))
  if (code !== 0) throw new Error(`${program} ended with ${String(code)}`)
  return output
}

/** Resident memory of a process, in MiB. */
export function residentMiB(pid: number | undefined): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024
}
