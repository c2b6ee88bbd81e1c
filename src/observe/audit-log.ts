import { appendFile, rename, stat } from 'node:fs/promises'

export type AuditLogOptions = {
  readonly file: string
  /** A file is put aside before it would grow beyond this. */
  readonly maxBytes: number
  /** How many files that were put aside are kept: file.1 is the newest. */
  readonly keep: number
  /** Records that could not be written. `first` until a write succeeds again: the time to log it. */
  readonly onLost: (lost: { readonly records: number; readonly error: unknown; readonly first: boolean }) => void
}

const MAX_WAITING = 20_000
const MAX_BATCH = 1000
const FLUSH_MS = 50

/**
 * JSON lines, one record a decision, rotated by size. `write` only puts a record in a bounded queue: a full disk, a slow
 * one or a file that cannot be written costs records, which are counted, and never a pull (case 210).
 */
export class AuditLog {
  readonly #options: AuditLogOptions
  #waiting: object[] = []
  #size: number | undefined
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()
  #failing = false

  constructor(options: AuditLogOptions) {
    this.#options = options
  }

  /** @param record must not change afterwards */
  write(record: object): void {
    if (this.#waiting.length >= MAX_WAITING) return this.#lose(1, new Error('the audit log cannot keep up'))
    this.#waiting.push(record)
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      void this.flush()
    }, FLUSH_MS)
  }

  /** Everything that was written before the call is on disk, or counted as lost. Never rejects. */
  async flush(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#drain())
    await this.#writing
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    await this.flush()
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, MAX_BATCH)
      try {
        await this.#append(batch.map(record => `${JSON.stringify(record)}\n`).join(''))
        this.#failing = false
      } catch (error) {
        // The size is not known any more: part of the batch may be in the file.
        this.#size = undefined
        this.#lose(batch.length, error)
      }
    }
  }

  async #append(text: string): Promise<void> {
    const { file, maxBytes } = this.#options
    const length = Buffer.byteLength(text)
    this.#size ??= await sizeOf(file)
    if (this.#size > 0 && this.#size + length > maxBytes) {
      await this.#rotate()
      this.#size = 0
    }
    // Opened anew for each batch, so that a file that was moved or made writable again is noticed.
    await appendFile(file, text, { mode: 0o640 })
    this.#size += length
  }

  async #rotate(): Promise<void> {
    const { file, keep } = this.#options
    for (let n = keep - 1; n >= 1; n -= 1) await renameIfThere(`${file}.${n}`, `${file}.${n + 1}`)
    await renameIfThere(file, `${file}.1`)
  }

  #lose(records: number, error: unknown): void {
    const first = !this.#failing
    this.#failing = true
    this.#options.onLost({ records, error, first })
  }
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size
  } catch (error) {
    if (isMissing(error)) return 0
    throw error
  }
}

async function renameIfThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to)
  } catch (error) {
    if (!isMissing(error)) throw error
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
