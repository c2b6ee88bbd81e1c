import { constants, type BigIntStats } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf, TrustError } from './trust-error.ts'

/**
 * What a file looked like: changes whenever its content may have. A path through symbolic links is judged by what it
 * points at, so a Kubernetes ConfigMap's swap of `..data` is seen as a new inode (case 195).
 */
export type FileStamp = { readonly path: string; readonly stamp: string }

export type LocalFile = { readonly bytes: Uint8Array; readonly stamp: FileStamp }

const ABSENT = 'absent'
const ATTEMPTS = 5
const PAUSE_MS = 20

/**
 * Reads a regular file that is not being written: the same before and after reading, else it is read again (case 194).
 * A FIFO, a device or a directory is refused without waiting for it (case 197).
 *
 * @param maxBytes at most this much is read
 * @returns no bytes where there is no such file
 * @throws TrustError
 */
export async function readLocalFile(
  path: string,
  maxBytes: number,
): Promise<LocalFile | { readonly bytes: undefined; readonly stamp: FileStamp }> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    if (attempt > 0) await sleep(PAUSE_MS)
    const read = await readOnce(path, maxBytes)
    if (read === 'changed') continue
    return read
  }
  throw new TrustError('UNSTABLE', [`${path} kept changing while it was read`])
}

async function readOnce(
  path: string,
  maxBytes: number,
): Promise<LocalFile | { readonly bytes: undefined; readonly stamp: FileStamp } | 'changed'> {
  let handle
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (cause) {
    if (isAbsence(cause)) return { bytes: undefined, stamp: { path, stamp: ABSENT } }
    throw new TrustError('UNREADABLE', [`${path} cannot be read: ${messageOf(cause)}`], { cause })
  }
  try {
    const before = await handle.stat({ bigint: true })
    if (!before.isFile()) throw new TrustError('UNREADABLE', [`${path} is not a regular file`])
    if (before.size > BigInt(maxBytes)) {
      throw new TrustError('UNREADABLE', [`${path} has ${before.size} bytes, more than ${maxBytes}`])
    }
    const bytes = Buffer.alloc(Number(before.size) + 1)
    const { bytesRead } = await handle.read(bytes, 0, bytes.byteLength, 0)
    const after = await handle.stat({ bigint: true })
    if (stampOf(before) !== stampOf(after) || bytesRead !== Number(before.size)) return 'changed'
    // The path may lead to another file by now; then this one is of yesterday.
    if ((await stampAt(path)) !== stampOf(after)) return 'changed'
    return { bytes: bytes.subarray(0, bytesRead), stamp: { path, stamp: stampOf(after) } }
  } finally {
    await handle.close()
  }
}

/** Whether all files still look as they did. */
export async function areUnchanged(stamps: readonly FileStamp[]): Promise<boolean> {
  const now = await Promise.all(stamps.map(({ path }) => stampAt(path)))
  return stamps.every(({ stamp }, index) => stamp === now[index])
}

async function stampAt(path: string): Promise<string> {
  try {
    return stampOf(await stat(path, { bigint: true }))
  } catch (error) {
    return isAbsence(error) ? ABSENT : `unreadable: ${messageOf(error)}`
  }
}

function stampOf(stats: BigIntStats): string {
  return `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`
}

function isAbsence(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')
}
