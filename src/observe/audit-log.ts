import { openAuditFile, putAside, type AuditFile } from './audit-file.ts'

export type AuditLogOptions = {
  readonly file: string
  /** A file is put aside before it would grow beyond this. */
  readonly maxBytes: number
  /** How many files that were put aside are kept: file.1 is the newest. */
  readonly keep: number
  /** Records that could not be written. `first` until a write succeeds again: the time to log it. */
  readonly onLost: (lost: { readonly records: number; readonly error: unknown; readonly first: boolean }) => void
  /** How the file is opened; by default as it is on the disk. */
  readonly open?: (file: string) => Promise<AuditFile>
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
      let lines = this.#waiting.splice(0, MAX_BATCH).map(record => `${JSON.stringify(record)}\n`)
      try {
        while (lines.length > 0) lines = await this.#append(lines)
        this.#failing = false
      } catch (error) {
        // Some of them may be in the file: counted is what was not surely written.
        this.#lose(lines.length, error)
      }
    }
  }

  /**
   * Writes as many lines as one file holds, and gives back the rest. The file is opened anew each time, so that one that
   * was moved, emptied or made writable again by somebody else is noticed.
   */
  async #append(lines: readonly string[]): Promise<string[]> {
    const { file: path, maxBytes, keep, open = openAuditFile } = this.#options
    const file = await open(path)
    let rest: string[]
    try {
      const gap = file.endsWithLine ? '' : '\n'
      const room = maxBytes - file.size - gap.length
      const within = file.canMove ? linesWithin(lines, room) : lines.length
      // A line that is longer than a whole file has one for itself.
      const count = within === 0 && file.size === 0 ? 1 : within
      if (count > 0) await file.append(gap + lines.slice(0, count).join(''))
      rest = lines.slice(count)
    } finally {
      await file.close()
    }
    if (rest.length > 0) await putAside(path, keep)
    return rest
  }

  #lose(records: number, error: unknown): void {
    const first = !this.#failing
    this.#failing = true
    this.#options.onLost({ records, error, first })
  }
}

/** How many of the lines, from the first one on, have no more than so many bytes together. */
function linesWithin(lines: readonly string[], bytes: number): number {
  let room = bytes
  const first = lines.findIndex(line => (room -= Buffer.byteLength(line)) < 0)
  return first === -1 ? lines.length : first
}
