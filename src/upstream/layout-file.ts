import { constants, type Stats } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { UpstreamError } from './upstream-error.ts'

/** Opens a regular file; a symbolic link in its place is not followed out of the layout. */
export async function openRegular(
  path: string,
): Promise<{ readonly handle: FileHandle; readonly stats: Stats } | undefined> {
  let handle
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new UpstreamError('BAD_ANSWER', `a file of the layout cannot be read (${String(code)})`, { cause })
  }
  const stats = await handle.stat()
  if (stats.isFile()) return { handle, stats }
  await handle.close()
  throw new UpstreamError('BAD_ANSWER', 'a blob of the layout is not a regular file')
}
