import { constants, type Stats } from 'node:fs'
import { open, realpath, type FileHandle } from 'node:fs/promises'
import { sep } from 'node:path'
import { UpstreamError } from './upstream-error.ts'

/**
 * Opens a regular file below `root`. A symbolic link in its place is not followed, nor a directory on the way that leads
 * out of the root: whoever may write a layout must not choose what else of this machine is read.
 *
 * @returns undefined where there is no such file
 * @throws UpstreamError for what is there and is no such file
 */
export async function openRegular(
  path: string,
  root: string,
): Promise<{ readonly handle: FileHandle; readonly stats: Stats } | undefined> {
  let handle
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new UpstreamError('BAD_ANSWER', `a file of the layout cannot be read (${String(code)})`, { cause })
  }
  try {
    const stats = await handle.stat()
    if (!stats.isFile()) throw new UpstreamError('BAD_ANSWER', 'a file of the layout is not a regular file')
    const [real, realRoot] = await Promise.all([realpath(path), realpath(root)])
    if (real.startsWith(realRoot + sep)) return { handle, stats }
    throw new UpstreamError('BAD_ANSWER', 'a file of the layout lies outside of it')
  } catch (error) {
    await handle.close()
    throw error
  }
}
