import { createHash, randomUUID } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { TufError } from './tuf-error.ts'
import { decodeState, encodeState, type TufState } from './tuf-state.ts'

/** Where verified states are kept over a restart, and where a refresh works. */
export type TufCache = {
  /** The state of a target; undefined if there is none, or none that can be read. */
  readonly read: (target: string) => Promise<TufState | undefined>
  /** Written whole or not at all. @throws TufError CACHE */
  readonly write: (target: string, state: TufState) => Promise<void>
  /** Runs with a directory of its own, which is gone afterwards. @throws TufError CACHE */
  readonly withScratch: <T>(work: (directory: string) => Promise<T>) => Promise<T>
}

const SCRATCH = 'refresh-'
/** No refresh takes that long: what is older was left behind by a process that was killed. */
const LEFTOVER_MS = 3_600_000

/**
 * Opens the cache in a directory, and makes it. One directory may serve several mirrors and roots: a state belongs to one
 * mirror, one pinned root and one target, so that another pinned root begins anew.
 *
 * @throws TufError CACHE
 */
export async function openTufCache(options: {
  readonly directory: string
  readonly mirror: string
  readonly pinnedRoot: Uint8Array
}): Promise<TufCache> {
  const { directory, mirror, pinnedRoot } = options
  const failed = (what: string, cause: unknown): TufError => {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'failed'
    return new TufError('CACHE', `${directory} ${what} (${code})`, { cause })
  }
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    await removeLeftovers(directory)
  } catch (cause) {
    throw failed('cannot be used as a cache', cause)
  }

  function fileOf(target: string): string {
    const hash = createHash('sha256')
    for (const part of [Buffer.from(mirror), pinnedRoot, Buffer.from(target)]) {
      hash.update(`${part.byteLength}:`).update(part)
    }
    return join(directory, `${hash.digest('hex')}.json`)
  }

  return {
    async read(target) {
      let bytes: Buffer
      try {
        bytes = await readFile(fileOf(target))
      } catch (cause) {
        if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined
        throw failed('cannot be read', cause)
      }
      const decoded = decodeState(bytes)
      return decoded.ok ? decoded.state : undefined
    },
    async write(target, state) {
      const file = fileOf(target)
      const fresh = `${file}.${randomUUID()}`
      try {
        await writeFile(fresh, encodeState(state), { mode: 0o600, flag: 'wx' })
        await rename(fresh, file)
      } catch (cause) {
        await rm(fresh, { force: true })
        throw failed('cannot be written', cause)
      }
    },
    async withScratch(work) {
      let scratch: string
      try {
        scratch = await mkdtemp(join(directory, SCRATCH))
      } catch (cause) {
        throw failed('cannot be written', cause)
      }
      try {
        return await work(scratch)
      } finally {
        await rm(scratch, { recursive: true, force: true })
      }
    },
  }
}

async function removeLeftovers(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!name.startsWith(SCRATCH)) continue
    const path = join(directory, name)
    const { mtimeMs } = await stat(path)
    if (Date.now() - mtimeMs > LEFTOVER_MS) await rm(path, { recursive: true, force: true })
  }
}
