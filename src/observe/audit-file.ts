import { open, rename } from 'node:fs/promises'

/** A file that lines are added to, as far as the audit log needs it. */
export type AuditFile = {
  /** Bytes in it when it was opened; 0 for what has no size. */
  readonly size: number
  /** Whether it is a file, and no device or pipe. */
  readonly canMove: boolean
  /** Whether the next line begins where a line begins: not after a crash or a full disk cut one short. */
  readonly endsWithLine: boolean
  /** Adds a text to its end; on failure a part of it may be there. */
  readonly append: (text: string) => Promise<void>
  readonly close: () => Promise<void>
}

const MODE = 0o640
const NEWLINE = 0x0a

/** Opens a file at its end and makes it if it is not there. */
export async function openAuditFile(path: string): Promise<AuditFile> {
  const handle = await open(path, 'a+', MODE)
  try {
    const stats = await handle.stat()
    const canMove = stats.isFile()
    const size = canMove ? stats.size : 0
    const last = new Uint8Array(1)
    if (size > 0) await handle.read(last, 0, 1, size - 1)
    return {
      size,
      canMove,
      endsWithLine: size === 0 || last[0] === NEWLINE,
      append: text => handle.appendFile(text),
      close: () => handle.close(),
    }
  } catch (error) {
    await handle.close()
    throw error
  }
}

/**
 * Puts a file aside as file.1, what was file.1 as file.2, and so on; what was file.`keep` is gone. The file itself moves
 * first, to file.0: where it cannot move (a bind mount), nothing that was kept is pushed out.
 */
export async function putAside(file: string, keep: number): Promise<void> {
  // Left behind by a process that ended in between.
  if (await moveIfThere(`${file}.0`, `${file}.0`)) await shift(file, keep)
  await rename(file, `${file}.0`)
  await shift(file, keep)
}

async function shift(file: string, keep: number): Promise<void> {
  for (let n = keep - 1; n >= 0; n -= 1) await moveIfThere(`${file}.${n}`, `${file}.${n + 1}`)
}

async function moveIfThere(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false
    throw error
  }
}
