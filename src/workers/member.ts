import type { ReadAnswer, Write, WriteAnswer } from '../shared/redis-connection.ts'
import { within } from '../shared/within.ts'
import { isFromPrimary, type AdminPage, type FromPrimary, type FromWorker, type Welcome } from './messages.ts'

/** The pipe to the process that started this one. */
export type Pipe = {
  readonly send: (message: FromWorker) => void
  readonly onMessage: (handler: (message: unknown) => void) => void
}

/** What being one of several workers means to a gate. */
export type Membership = Welcome & {
  /** The memory that the workers share, as Redis would be. */
  readonly connection: {
    readonly epoch: number
    readonly read: (names: readonly string[]) => Promise<ReadAnswer>
    readonly write: (writes: readonly Write[]) => Promise<WriteAnswer>
  }
  readonly listening: () => void
  /** Tells the others which policy and keys are in force here now. */
  readonly loaded: (snapshotId: string) => void
  /** Another worker has others: time to look for what is newest. */
  readonly onRefresh: (refresh: () => void) => void
  /** Gives the pages of this worker's admin port, which the starting process asks for in turn. */
  readonly serveAdmin: (page: (path: string) => Promise<AdminPage>) => void
}

const ANSWER_MS = 1000

/** Says hello, and is one of the workers as soon as it is answered. */
export async function joinWorkers(pipe: Pipe): Promise<Membership> {
  const waiting = new Map<number, (message: FromPrimary) => void>()
  const welcomed = Promise.withResolvers<Welcome>()
  let page: ((path: string) => Promise<AdminPage>) | undefined
  let refresh: (() => void) | undefined
  let last = 0

  pipe.onMessage(message => {
    if (!isFromPrimary(message)) return
    switch (message.type) {
      case 'welcome':
        return welcomed.resolve(message)
      case 'values':
      case 'written': {
        const answered = waiting.get(message.id)
        waiting.delete(message.id)
        return answered?.(message)
      }
      case 'refresh':
        return refresh?.()
      case 'ask':
        void answerPage(message.id, message.path)
    }
  })

  async function answerPage(id: number, path: string): Promise<void> {
    const failed = { status: 503, contentType: 'text/plain', body: 'this worker does not serve yet\n' }
    // A page that cannot be made is a worse thing to lose a worker over than not to have it.
    const made = await page?.(path).catch((error: unknown) => ({ ...failed, status: 500, body: `${String(error)}\n` }))
    pipe.send({ type: 'page', id, page: made ?? failed })
  }

  async function ask(message: (id: number) => FromWorker): Promise<FromPrimary | undefined> {
    last += 1
    const id = last
    const answer = new Promise<FromPrimary>(resolve => waiting.set(id, resolve))
    pipe.send(message(id))
    const answered = await within(answer, ANSWER_MS)
    waiting.delete(id)
    return answered.inTime ? answered.value : undefined
  }

  pipe.send({ type: 'hello' })
  const welcome = await welcomed.promise
  return {
    ...welcome,
    connection: {
      epoch: 1,
      async read(names) {
        const answer = await ask(id => ({ type: 'read', id, names }))
        return answer?.type === 'values' ? { ok: true, values: answer.values } : { ok: false, failure: 'late' }
      },
      async write(writes) {
        const answer = await ask(id => ({ type: 'write', id, writes }))
        return answer?.type === 'written' ? { ok: true } : { ok: false, failure: 'late' }
      },
    },
    listening: () => pipe.send({ type: 'listening' }),
    loaded: snapshotId => pipe.send({ type: 'loaded', snapshotId }),
    onRefresh(handler) {
      refresh = handler
    },
    serveAdmin(serve) {
      page = serve
    },
  }
}
