import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { request, type Dispatcher } from 'undici'
import type { Asked, Seen } from './verdict-due.ts'

/**
 * An answer that is not there by then is a fault of the gate's own, whatever the upstream does: a manifest may take 30 seconds
 * to come, the verdict 5 more, and so may the policy. Milliseconds. A blob has no end of its own while pieces of it come.
 */
const PATIENCE = { manifest: 45_000, blob: 8_000 } as const

export type HowToAsk = {
  readonly gate: string
  readonly dispatcher: Dispatcher
  /** Hangs up after so many milliseconds, answered or not. */
  readonly abortAfterMs?: number
}

/** One request as a client makes it, to its end or to the client's own. */
export async function ask({ target, method, range }: Asked, how: HowToAsk): Promise<Seen> {
  const patience = AbortSignal.timeout(PATIENCE[target.what])
  const abort = how.abortAfterMs === undefined ? undefined : AbortSignal.timeout(how.abortAfterMs)
  let status: number | undefined
  try {
    const answer = await request(`${how.gate}${target.path}`, {
      method,
      dispatcher: how.dispatcher,
      signal: abort === undefined ? patience : AbortSignal.any([patience, abort]),
      headers: range === undefined ? {} : { range: `bytes=${range.join('-')}` },
    })
    status = answer.statusCode
    const body = Buffer.from(await answer.body.arrayBuffer())
    const digest = answer.headers['docker-content-digest']
    return { end: 'whole', status, body, digest: typeof digest === 'string' ? digest : undefined }
  } catch (error) {
    const why = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    if (abort?.aborted === true) return { end: 'aborted', status, why }
    return { end: patience.aborted ? 'late' : 'torn', status, why }
  }
}

/** Half a request, and then nobody is there any more. */
export async function askByHalves(gate: string, path: string): Promise<void> {
  const { hostname, port } = new URL(gate)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => undefined) // That the gate hangs up first is as good.
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${hostname}\r\nAccept: */`)
  await sleep(50)
  socket.destroy()
}

/** Asks for a blob and takes nothing of it for a while, then hangs up. */
export async function askAndStall(gate: string, path: string, ms: number): Promise<void> {
  const { hostname, port } = new URL(gate)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => undefined)
  socket.pause()
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${hostname}\r\n\r\n`)
  await sleep(ms)
  socket.destroy()
}
