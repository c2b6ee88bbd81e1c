import { readLocalFile, areUnchanged, type FileStamp } from '../trust/local-file.ts'
import { messageOf } from '../trust/trust-error.ts'

export type WatchedFilesOptions<T> = {
  readonly paths: readonly string[]
  /** Makes one value of all files' bytes, in the order of `paths`. What it throws keeps the value that was. */
  readonly read: (files: readonly Uint8Array[]) => T
  readonly onChange: (value: T) => void
  readonly onFailure: (problem: string) => void
  readonly pollMs: number
}

export type Watched = { readonly close: () => void }

const MAX_FILE_BYTES = 4 * 1024 * 1024

/**
 * Reads files that belong together and looks after them: whenever one of them changed, all are read anew, and the new value
 * takes the old one's place only if it could be made of all of them. Looked at by time, for no file system tells of every
 * change (a ConfigMap's swapped link, a network mount).
 *
 * @throws what the first reading throws
 */
export async function watchFiles<T>(options: WatchedFilesOptions<T>): Promise<Watched> {
  const { paths, read, onChange, onFailure, pollMs } = options
  let stamps = await load()

  async function load(): Promise<readonly FileStamp[]> {
    const files = await Promise.all(paths.map(path => readLocalFile(path, MAX_FILE_BYTES)))
    const contents = files.map(({ bytes, stamp }) => {
      if (bytes === undefined) throw new Error(`${stamp.path} does not exist`)
      return bytes
    })
    onChange(read(contents))
    return files.map(({ stamp }) => stamp)
  }

  let told = ''
  async function look(): Promise<void> {
    if (await areUnchanged(stamps)) return
    try {
      stamps = await load()
      told = ''
    } catch (error) {
      // Half of a pair may have been written: looked at again the next time, and said once.
      const problem = messageOf(error)
      if (problem !== told) onFailure(problem)
      told = problem
    }
  }

  const timer = setInterval(() => void looking(), pollMs).unref()
  let isLooking = false
  async function looking(): Promise<void> {
    if (isLooking) return
    isLooking = true
    await look().finally(() => (isLooking = false))
  }
  return { close: () => clearInterval(timer) }
}
