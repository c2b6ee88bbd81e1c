import { writeSync } from 'node:fs'

/** How bytes leave: returns how many did, throws as `writeSync` does. */
export type WriteBytes = (bytes: Uint8Array) => number

const STDOUT = 1
/** Of a line that a pipe took a part of; what comes meanwhile is lost, and counted. */
const MAX_REST = 1024 * 1024

/**
 * Standard output, for a log that nothing depends on: a full disk, a reader that is gone or one that does not read loses lines
 * and neither ends the program nor holds it up (case 210). How many were lost is said as soon as lines are taken again.
 */
export class LogOutput {
  readonly #writeBytes: WriteBytes
  #rest: Uint8Array = new Uint8Array()
  #lost = 0

  constructor(writeBytes: WriteBytes = bytes => writeSync(STDOUT, bytes)) {
    this.#writeBytes = writeBytes
  }

  write(line: string): void {
    const told =
      this.#lost === 0 ? '' : `${JSON.stringify({ level: 40, lost: this.#lost, msg: 'log lines were lost' })}\n`
    const waiting = this.#rest
    if (waiting.byteLength > MAX_REST) {
      this.#lost += 1
      return
    }
    const left = this.#send(Buffer.concat([waiting, Buffer.from(`${told}${line}`)]))
    const added = Buffer.byteLength(told) + Buffer.byteLength(line)
    if (left.byteLength < added) {
      // Some of it is out: the rest belongs to it, or the next line would begin in the middle of this one.
      this.#rest = left
      this.#lost = 0
      return
    }
    this.#rest = left.subarray(0, left.byteLength - added)
    this.#lost += 1
  }

  /** What was not taken. */
  #send(bytes: Uint8Array): Uint8Array {
    let left = bytes
    try {
      while (left.byteLength > 0) {
        const taken = this.#writeBytes(left)
        // An output that takes nothing and does not fail would be asked for ever.
        if (!(taken > 0)) break
        left = left.subarray(taken)
      }
    } catch {
      // A log that cannot be written cannot be told of either; what is lost is counted.
    }
    return left
  }
}
