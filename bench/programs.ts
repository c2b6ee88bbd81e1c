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
export async function start(
  program: string,
  args: readonly string[],
  port: number,
  environment: Readonly<Record<string, string>> = {},
): Promise<ChildProcess> {
  const env = { ...process.env, ...environment }
  const child = spawn(program, [...args], { stdio: 'ignore', env })
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

/** Megabytes a second of one download, by curl. */
export async function megabytesPerSecond(url: string): Promise<number> {
  const output = await run('curl', ['-sf', '-o', '/dev/null', '-w', '%{speed_download}', url])
  return Number(output) / 1e6
}

/** Downloads again and again until the signal; what comes is thrown away. */
export async function download(url: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const child = spawn('curl', ['-sf', '-o', '/dev/null', url], { stdio: 'ignore' })
    const stop = (): void => void child.kill()
    signal.addEventListener('abort', stop, { once: true })
    const code = await new Promise<number | null>(resolve => child.once('exit', resolve))
    signal.removeEventListener('abort', stop)
    if (!signal.aborted && code !== 0) throw new Error(`${url}: curl ended with ${String(code)}`)
  }
}

/** How long a program takes, in seconds. */
export async function secondsOf(program: string, args: readonly string[]): Promise<number> {
  const begun = performance.now()
  const child = spawn(program, [...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  let complaint = ''
  child.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString()))
  const code = await new Promise(resolve => child.once('exit', resolve))
  if (code !== 0) throw new Error(`${program} ended with ${String(code)}: ${complaint}`)
  return (performance.now() - begun) / 1000
}

/** cosign, as the suites name it in the environment, or on the path. */
export function cosignProgram(): { readonly path: string; readonly name: string } | undefined {
  const path = process.env['COSIGN3'] ?? process.env['COSIGN2'] ?? (isInstalled('cosign') ? 'cosign' : undefined)
  if (path === undefined) return undefined
  const version = /GitVersion:\s+(\S+)/.exec(spawnSync(path, ['version'], { encoding: 'utf8' }).stdout)?.[1]
  return { path, name: version ?? 'of unknown version' }
}

/** The peers that were there, with their versions. */
export function versionsOf(): readonly string[] {
  const asked: readonly (readonly [string, readonly string[]])[] = [
    ['nginx', ['-v']],
    ['wrk', ['-v']],
    ['curl', ['--version']],
    ['docker-registry', ['--version']],
  ]
  return asked.flatMap(([program, args]) => {
    if (!isInstalled(program))
      return [`${program} not installed${program === 'wrk' ? ', autocannon in its place' : ''}`]
    const { stdout, stderr } = spawnSync(program, [...args], { encoding: 'utf8' })
    const version = /[0-9]+\.[0-9]+(?:\.[0-9]+)?/.exec(stdout + stderr)?.[0]
    return [`${program} ${version ?? ''}`.trim()]
  })
}

/** What a program writes to its standard output. @throws where it fails */
export async function run(program: string, args: readonly string[]): Promise<string> {
  const child = spawn(program, [...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  // Not 'exit': its last words may still be on their way.
  const code = await new Promise(resolve => child.once('close', resolve))
  if (code !== 0) throw new Error(`${program} ended with ${String(code)}`)
  return output
}

/** Resident memory of a process, in MiB. */
export function residentMiB(pid: number | undefined): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024
}
