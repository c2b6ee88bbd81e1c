import autocannon from 'autocannon'
import { OCI_MANIFEST } from '../test/support/signer.ts'
import { isInstalled, run } from './programs.ts'

/** Asks a server for one thing over and over: wrk with one thread where it is installed, autocannon elsewhere. */
export type Load = {
  readonly program: 'wrk' | 'autocannon'
  /** Answers a second, over 32 connections. */
  readonly requestsPerSecond: (url: string, seconds: number) => Promise<number>
  /** The latency in milliseconds that one request in a hundred exceeds, over eight connections. */
  readonly p99Milliseconds: (url: string, seconds: number) => Promise<number>
}

/** What clients send: a registry has no OCI manifest for those that do not ask for one. */
const HEADERS = { accept: OCI_MANIFEST }
const MANY = 32
const FEW = 8

export function openLoad(): Load {
  return isInstalled('wrk') ? WRK : AUTOCANNON
}

const WRK: Load = {
  program: 'wrk',
  async requestsPerSecond(url, seconds) {
    const output = await wrk(MANY, url, seconds)
    return Number(/Requests\/sec:\s+([0-9.]+)/.exec(output)?.[1])
  },
  async p99Milliseconds(url, seconds) {
    const output = await wrk(FEW, url, seconds)
    const [, value, unit] = /99%\s+([0-9.]+)(us|ms|s)/.exec(output) ?? []
    if (value === undefined) throw new Error(`${url}: ${output}`)
    return Number(value) * (unit === 'us' ? 0.001 : unit === 's' ? 1000 : 1)
  },
}

async function wrk(connections: number, url: string, seconds: number): Promise<string> {
  const headers = Object.entries(HEADERS).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  const output = await run('wrk', ['-t1', `-c${connections}`, `-d${seconds}`, ...headers, '--latency', url])
  if (/Non-2xx/.test(output)) throw new Error(`${url}: ${output}`)
  return output
}

const AUTOCANNON: Load = {
  program: 'autocannon',
  async requestsPerSecond(url, seconds) {
    return (await cannonade(MANY, url, seconds)).length / seconds
  },
  async p99Milliseconds(url, seconds) {
    const times = (await cannonade(FEW, url, seconds)).sort((a, b) => a - b)
    return times[Math.floor(times.length * 0.99)] ?? Number.NaN
  },
}

/** @returns milliseconds that each answer took: autocannon's own summary has whole ones, which is all that some take. */
async function cannonade(connections: number, url: string, duration: number): Promise<number[]> {
  const times: number[] = []
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const instance = autocannon({ url, connections, duration, headers: HEADERS }, error =>
    error === null || error === undefined ? resolve() : reject(error),
  )
  instance.on('response', (_client, status, _bytes, milliseconds) => {
    if (status < 200 || status > 299) reject(new Error(`${url}: ${status}`))
    times.push(milliseconds)
  })
  await promise
  return times
}
