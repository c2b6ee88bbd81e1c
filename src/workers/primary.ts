import cluster, { type Worker } from 'node:cluster'
import { randomBytes } from 'node:crypto'
import { EntryMemory } from './entry-memory.ts'
import { Refreshes } from './refreshes.ts'
import { isFromWorker, type AdminPage, type FromPrimary, type FromWorker } from './messages.ts'

export type PrimaryOptions = {
  readonly workers: number
  readonly onListening: (worker: { readonly number: number; readonly pid: number | undefined }) => void
  /** A worker ended by itself; another is started in its place. */
  readonly onLost: (lost: { readonly number: number; readonly code: number; readonly signal: string | null }) => void
}

/** The process that starts the workers and keeps what they have in common. It judges nothing and answers no pull. */
export type Primary = {
  /** Every worker listens, or one of them ended before it did: with its exit code. */
  readonly started: Promise<{ readonly ok: true } | { readonly ok: false; readonly code: number }>
  /** What each worker's admin port would answer, by its number; those that do not answer in time are not in it. */
  readonly ask: (path: string) => Promise<ReadonlyMap<number, AdminPage>>
  /** Asks all of them to stop, and waits for the last. */
  readonly stop: () => Promise<void>
}

const PAGE_MS = 2000
const RESTART_MS = 1000

type Member = { readonly number: number; readonly worker: Worker; isListening: boolean }

/** Starts as many workers as this program's own command line again; `cluster` hands them their connections in turn. */
export function startWorkers({ workers, onListening, onLost }: PrimaryOptions): Primary {
  const secret = randomBytes(32)
  const uploadKey = randomBytes(32)
  const memory = new EntryMemory()
  const members = new Map<number, Member>()
  const asked = new Map<number, (page: AdminPage) => void>()
  const refreshes = new Refreshes(number => {
    const worker = members.get(number)?.worker
    if (worker?.isConnected() === true) worker.send({ type: 'refresh' } satisfies FromPrimary)
  })
  const started = Promise.withResolvers<Awaited<Primary['started']>>()
  const ended = Promise.withResolvers<void>()
  const timers = new Set<NodeJS.Timeout>()
  let lastAsked = 0
  let isStopping = false
  let hasStarted = false

  // Entries are bytes, and the other way of talking would make them text.
  cluster.setupPrimary({ serialization: 'advanced' })
  for (let number = 1; number <= workers; number += 1) start(number)

  function start(number: number): void {
    const member: Member = { number, worker: cluster.fork(), isListening: false }
    members.set(number, member)
    member.worker.on('message', (message: unknown) => {
      if (isFromWorker(message)) answer(member, message)
    })
    // A worker that is gone is heard of by its exit.
    member.worker.on('error', () => undefined)
    member.worker.once('exit', (code: number, signal: string | null) => lose(member, code, signal))
  }

  function answer(member: Member, message: FromWorker): void {
    const { number, worker } = member
    const reply = (said: FromPrimary): void => {
      if (worker.isConnected()) worker.send(said)
    }
    switch (message.type) {
      case 'hello':
        return reply({ type: 'welcome', number, workers, secret, uploadKey })
      case 'listening':
        member.isListening = true
        onListening({ number, pid: worker.process.pid })
        if ([...members.values()].every(each => each.isListening)) {
          hasStarted = true
          started.resolve({ ok: true })
        }
        return
      case 'loaded':
        return refreshes.loaded(number, message.snapshotId)
      case 'read':
        return reply({ type: 'values', id: message.id, values: memory.read(message.names) })
      case 'write':
        memory.write(message.writes)
        return reply({ type: 'written', id: message.id })
      case 'page':
        return asked.get(message.id)?.(message.page)
    }
  }

  function lose({ number }: Member, code: number, signal: string | null): void {
    members.delete(number)
    refreshes.forget(number)
    if (!hasStarted) started.resolve({ ok: false, code: code === 0 ? 1 : code })
    if (isStopping || !hasStarted) {
      if (members.size === 0) ended.resolve()
      return
    }
    onLost({ number, code, signal })
    const timer = setTimeout(() => {
      timers.delete(timer)
      start(number)
    }, RESTART_MS)
    timers.add(timer)
  }

  async function askOne({ worker }: Member, path: string): Promise<AdminPage | undefined> {
    lastAsked += 1
    const id = lastAsked
    const { promise, resolve } = Promise.withResolvers<AdminPage | undefined>()
    const timer = setTimeout(() => resolve(undefined), PAGE_MS)
    asked.set(id, resolve)
    const message: FromPrimary = { type: 'ask', id, path }
    if (worker.isConnected()) worker.send(message)
    else resolve(undefined)
    return promise.finally(() => {
      clearTimeout(timer)
      asked.delete(id)
    })
  }

  return {
    started: started.promise,
    async ask(path) {
      const pages = await Promise.all(
        [...members.values()].map(async each => [each.number, await askOne(each, path)] as const),
      )
      return new Map(pages.flatMap(([number, page]) => (page === undefined ? [] : [[number, page] as const])))
    },
    async stop() {
      isStopping = true
      refreshes.close()
      for (const timer of timers) clearTimeout(timer)
      for (const { worker } of members.values()) worker.process.kill('SIGTERM')
      if (members.size > 0) await ended.promise
    },
  }
}
