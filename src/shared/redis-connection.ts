import type { Redis } from 'iovalkey'
import { dialRedis, type RedisPlace } from './dial-redis.ts'
import { MAX_ENTRY_BYTES } from './entry.ts'
import type { SharedEvent, SharedFailure } from './shared-event.ts'
import { within } from './within.ts'

export type RedisConnectionOptions = {
  /** Asked for each connection, so that a changed password file counts with the next one. */
  readonly place: () => Promise<RedisPlace>
  readonly timeoutMs: number
  /** Read to find out whether reading is possible; what it holds is of no interest. */
  readonly probe: string
  readonly onEvent: (event: Extract<SharedEvent, { type: 'up' | 'down' }>) => void
}

export type RedisStatus =
  | { readonly status: 'up'; readonly since: Date }
  | { readonly status: 'down'; readonly since: Date; readonly problem: string }

export type ReadAnswer =
  | { readonly ok: true; readonly values: readonly (Uint8Array | 'wrong-type')[] }
  | { readonly ok: false; readonly failure: SharedFailure }

export type Write = { readonly name: string; readonly value: Buffer; readonly ttlMs: number }
export type WriteAnswer = { readonly ok: true } | { readonly ok: false; readonly failure: SharedFailure }

/** All of it: name, TCP, TLS and password. */
const CONNECT_MS = 2000
/** Looks and tellings; far more than pulls are let in at once, so that nobody is turned away, and still an end. */
const MAX_UNDER_WAY = 4096
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5000
/** A connection that lived so long was a good one: the next is tried soon again. */
const STEADY_MS = 10_000
const WRITE_PAUSE_MS = 2000

/**
 * One connection to a server that may be gone at any time. Whoever asks while there is none is told so at once; the first
 * that is answered too late, or by an error, ends the connection for all. It is opened again in the background, with growing
 * pauses, and counts only when a read was answered in time: pulls never pay for finding out.
 */
export class RedisConnection {
  readonly #options: RedisConnectionOptions
  #client: Redis | undefined
  #status: RedisStatus = { status: 'down', since: new Date(), problem: 'not connected yet' }
  #epoch = 0
  #pauseMs = FIRST_PAUSE_MS
  #timer: NodeJS.Timeout | undefined
  #underWay = 0
  #writesFrom = 0
  #isClosed = false

  constructor(options: RedisConnectionOptions) {
    this.#options = options
  }

  get epoch(): number | undefined {
    return this.#client === undefined ? undefined : this.#epoch
  }

  get status(): RedisStatus {
    return this.#status
  }

  /** Resolves when the first attempt has come to something, within some three seconds. Never rejects. */
  async start(): Promise<void> {
    await this.#open()
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
    const client = this.#client
    this.#client = undefined
    client?.disconnect()
  }

  async read(names: readonly string[]): Promise<ReadAnswer> {
    return this.#command<ReadAnswer>(async client => {
      const pipeline = client.pipeline()
      // Not GET: of a value that is too long no more than this comes over the wire, and none is no null.
      for (const name of names) pipeline.getrangeBuffer(name, 0, MAX_ENTRY_BYTES)
      const answers = (await pipeline.exec()) ?? []
      const failed = answers.flatMap(([error]) => (error === null || isWrongType(error) ? [] : [error]))[0]
      if (failed !== undefined) return this.#failed(client, failed)
      return { ok: true, values: answers.map(([, value]) => (value instanceof Uint8Array ? value : 'wrong-type')) }
    })
  }

  /** A server that can be read but not written (a replica, a full one) is read on, and written to again after a pause. */
  async write(entries: readonly Write[]): Promise<WriteAnswer> {
    if (performance.now() < this.#writesFrom) return { ok: false, failure: 'down' }
    return this.#command<WriteAnswer>(async client => {
      const pipeline = client.pipeline()
      for (const { name, value, ttlMs } of entries) pipeline.set(name, value, 'PX', ttlMs)
      const answers = (await pipeline.exec()) ?? []
      const failed = answers.flatMap(([error]) => (error === null ? [] : [error]))[0]
      if (failed === undefined) return { ok: true }
      this.#writesFrom = performance.now() + WRITE_PAUSE_MS
      return { ok: false, failure: writeFailure(failed) }
    })
  }

  async #command<T>(
    command: (client: Redis) => Promise<T>,
  ): Promise<T | { readonly ok: false; readonly failure: SharedFailure }> {
    const client = this.#client
    if (client === undefined) return { ok: false, failure: 'down' }
    if (this.#underWay >= MAX_UNDER_WAY) return { ok: false, failure: 'busy' }
    this.#underWay += 1
    try {
      const answer = await within(command(client), this.#options.timeoutMs)
      if (answer.inTime) return answer.value
      this.#lose(client, `no answer within ${this.#options.timeoutMs} ms`)
      return { ok: false, failure: 'late' }
    } catch (error) {
      return this.#failed(client, error)
    } finally {
      this.#underWay -= 1
    }
  }

  #failed(client: Redis, error: unknown): { readonly ok: false; readonly failure: 'failed' } {
    this.#lose(client, wordsOf(error))
    return { ok: false, failure: 'failed' }
  }

  async #open(): Promise<void> {
    let client: Redis | undefined
    let problem = 'the connection was closed'
    try {
      client = dialRedis(await this.#options.place())
      client.on('error', error => {
        problem = wordsOf(error)
      })
      const connected = await within(client.connect(), CONNECT_MS)
      if (!connected.inTime) throw new Error(`no connection within ${CONNECT_MS} ms`)
      const probe = client.getrangeBuffer(this.#options.probe, 0, 0).catch((error: unknown) => {
        if (!isWrongType(error)) throw error
      })
      const answer = await within(probe, this.#options.timeoutMs)
      if (!answer.inTime) throw new Error(`no answer within ${this.#options.timeoutMs} ms`)
    } catch (error) {
      client?.disconnect()
      // What the socket said is more to the point than "connection is closed".
      return this.#down(problem === 'the connection was closed' ? wordsOf(error) : problem)
    }
    if (this.#isClosed) return client.disconnect()
    const opened = client
    opened.once('end', () => this.#lose(opened, problem))
    this.#client = opened
    this.#epoch += 1
    this.#status = { status: 'up', since: new Date() }
    this.#options.onEvent({ type: 'up' })
    if (opened.status !== 'ready') this.#lose(opened, problem)
  }

  /** The end of a connection, unless another one has taken its place. */
  #lose(client: Redis, problem: string): void {
    if (this.#client !== client) return
    this.#client = undefined
    client.disconnect()
    const { status, since } = this.#status
    if (status === 'up' && Date.now() - since.getTime() > STEADY_MS) this.#pauseMs = FIRST_PAUSE_MS
    this.#down(problem)
  }

  #down(problem: string): void {
    if (this.#isClosed) return
    const isNews = this.#status.status === 'up' || this.#status.problem !== problem
    const since = this.#status.status === 'up' ? new Date() : this.#status.since
    this.#status = { status: 'down', since, problem }
    if (isNews) this.#options.onEvent({ type: 'down', problem })
    // Not in step with the other replicas.
    const pauseMs = this.#pauseMs * (0.5 + Math.random() / 2)
    this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS)
    this.#timer = setTimeout(() => void this.#open(), pauseMs)
    this.#timer.unref()
  }
}

function isWrongType(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('WRONGTYPE')
}

function writeFailure(error: Error): SharedFailure {
  if (error.message.startsWith('READONLY')) return 'read-only'
  return error.message.startsWith('OOM') ? 'full' : 'failed'
}

/** An error in one short line: parts of it are the server's text. */
function wordsOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.replace(/[^ -~]+/g, ' ').slice(0, 160)
}
