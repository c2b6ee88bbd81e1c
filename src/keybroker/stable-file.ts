import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Failure } from './broker.ts'
import { codeOf } from './grpc-address.ts'

const ATTEMPTS = 5
const PAUSE_MS = 20

/**
 * Reads a regular file that nobody is writing: it must look the same before and after (case 194). A FIFO, a device or a
 * directory is refused without waiting for it (case 197). Symbolic links are followed: Kubernetes mounts consist of them.
 */
export async function readStableFile(path: string, maxBytes: number, failure: Failure): Promise<Uint8Array> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    if (attempt > 0) await sleep(PAUSE_MS)
    const handle = await openFile(path, failure)
    try {
      const bytes = await readOnce(handle, maxBytes, failure)
      if (bytes !== undefined) return bytes
    } finally {
      await handle.close()
    }
  }
  throw failure('NOT_REACHABLE', 'the file kept changing while it was read')
}

async function openFile(path: string, failure: Failure): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (cause) {
    throw failure('NOT_REACHABLE', `the file cannot be opened (${codeOf(cause)})`, { cause })
  }
}

async function readOnce(handle: FileHandle, maxBytes: number, failure: Failure): Promise<Uint8Array | undefined> {
  const before = await handle.stat({ bigint: true })
  if (!before.isFile()) throw failure('NOT_REACHABLE', 'the path is not a regular file')
  if (before.size > BigInt(maxBytes)) throw failure('TOO_LARGE', `the file has more than ${maxBytes} bytes`)
  const size = Number(before.size)
  const bytes = Buffer.alloc(size + 1)
  let length = 0
  while (length <= size) {
    const { bytesRead } = await handle.read(bytes, length, size + 1 - length, length)
    if (bytesRead === 0) break
    length += bytesRead
  }
  const after = await handle.stat({ bigint: true })
  const unchanged = before.mtimeNs === after.mtimeNs && before.ctimeNs === after.ctimeNs && length === size
  return unchanged ? bytes.subarray(0, size) : undefined
}
