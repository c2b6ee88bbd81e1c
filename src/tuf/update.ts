import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Fetcher } from 'tuf-js'
import { decodeJson, formatProblem } from '../json/decode.ts'
import { TufError } from './tuf-error.ts'
import type { TufState } from './tuf-state.ts'

export type UpdateOptions = {
  /** The root.json that everything else is verified by. */
  readonly pinnedRoot: Uint8Array
  /** What an earlier refresh has verified; undefined: nothing is remembered. */
  readonly before: TufState | undefined
  readonly target: string
  /** Bytes of a file of the repository, or undefined if it has no such file. */
  readonly download: (path: string, maxBytes: number) => Promise<Buffer | undefined>
  /** An empty directory. */
  readonly scratch: string
}

const MAX_ROOT = 512_000
/** Rotations in one go, from the pinned root on; a root of a few years has a dozen. */
const MAX_ROTATIONS = 256
const MAX_FILE = 5_000_000
export const MAX_TARGET: number = 4 * 1024 * 1024
/** Of one refresh, whatever lengths its metadata signs. */
const MAX_TOTAL = 32 * 1024 * 1024
/** Stands for the repository's base while the library puts paths together; it never sees the real one. */
const BASE = 'http://repository.invalid/'

/**
 * One run of the TUF client workflow (specification section 5.3 to 5.7) from the pinned root to one target: newer roots,
 * each signed by the one before; timestamp, snapshot and targets signed, unexpired, and not older than before; the target
 * with the length and hash that they give. Attack case 70, CVE-2022-29173.
 *
 * Delegations are not followed: a delegated role could call itself `root` or have a path for a name (CVE-2026-24686).
 *
 * @returns the state to start from next time, with the target
 * @throws TufError
 */
export async function updateTarget(options: UpdateOptions): Promise<TufState> {
  const { pinnedRoot, before, target, scratch } = options
  const download = withinTotal(options.download)
  try {
    const roots = await newerRoots(versionOf(pinnedRoot), before?.roots ?? [], download)
    await writeFile(join(scratch, 'root.json'), pinnedRoot)
    if (before !== undefined) {
      await writeFile(join(scratch, 'timestamp.json'), before.timestamp)
      await writeFile(join(scratch, 'snapshot.json'), before.snapshot)
      await writeFile(join(scratch, 'targets.json'), before.targets)
    }
    // Read when it is first needed: most gates have no `tuf`.
    const { Updater } = await import('tuf-js')
    const updater = new Updater({
      metadataDir: scratch,
      metadataBaseUrl: BASE,
      targetBaseUrl: `${BASE}targets/`,
      fetcher: fetcherOf({ roots, download, scratch }),
      config: { maxRootRotations: roots.size, maxDelegations: 0, rootMaxLength: MAX_ROOT },
    })
    const info = await updater.getTargetInfo(target)
    if (info === undefined) throw new TufError('TARGET', `${target} is not among the targets of the repository`)
    // Without either, a length would be all that stands for the bytes.
    if (info.hashes['sha256'] === undefined && info.hashes['sha512'] === undefined) {
      throw new TufError('TARGET', `${target} has neither a SHA-256 nor a SHA-512 hash`)
    }
    if (info.length > MAX_TARGET) {
      throw new TufError('TARGET', `${target} has ${info.length} bytes, more than ${MAX_TARGET}`)
    }
    const path = await updater.downloadTarget(info, join(scratch, 'target'))
    return {
      roots: [...roots.values()],
      timestamp: await readFile(join(scratch, 'timestamp.json')),
      snapshot: await readFile(join(scratch, 'snapshot.json')),
      targets: await readFile(join(scratch, 'targets.json')),
      target: await readFile(path),
    }
  } catch (cause) {
    if (cause instanceof TufError) throw cause
    throw new TufError('METADATA', cause instanceof Error ? cause.message : String(cause), { cause })
  }
}

/** @throws TufError BAD_ROOT */
export function versionOf(pinnedRoot: Uint8Array): number {
  const decoded = decodeJson(
    pinnedRoot,
    root => {
      const version = root.member('signed')?.member('version')
      return version === undefined ? root.fail('has no signed.version') : version.integer(1)
    },
    { maxBytes: MAX_ROOT, maxDepth: 16 },
  )
  if (decoded.ok) return decoded.value
  throw new TufError('BAD_ROOT', `the pinned root is no TUF root: ${formatProblem(decoded.problems[0])}`)
}

/**
 * The roots after the pinned one, by version; none of them is verified yet. Those that were seen before are not asked for
 * again: a mirror that no longer knows them cannot bring back a key that was rotated away.
 */
async function newerRoots(
  pinned: number,
  known: readonly Buffer[],
  download: UpdateOptions['download'],
): Promise<ReadonlyMap<number, Buffer>> {
  const roots = new Map<number, Buffer>()
  for (let version = pinned + 1; version <= pinned + MAX_ROTATIONS; version += 1) {
    const root = known[version - pinned - 1] ?? (await download(`${version}.root.json`, MAX_ROOT))
    if (root === undefined) return roots
    roots.set(version, root)
  }
  throw new TufError('METADATA', `there are more than ${MAX_ROTATIONS} newer roots: pin a newer one`)
}

function fetcherOf(options: {
  readonly roots: ReadonlyMap<number, Buffer>
  readonly download: UpdateOptions['download']
  readonly scratch: string
}): Fetcher {
  const { roots, download, scratch } = options
  const fetch = async (url: string, maxLength: number): Promise<Buffer> => {
    if (!url.startsWith(BASE)) throw new TufError('METADATA', `${url} is not in the repository`)
    const path = url.slice(BASE.length)
    const version = /^(\d+)\.root\.json$/.exec(path)?.[1]
    const bytes =
      version === undefined ? await download(path, Math.min(maxLength, MAX_FILE)) : roots.get(Number(version))
    if (bytes === undefined) throw new TufError('MIRROR', `the repository has no ${path}`)
    return bytes
  }
  return {
    downloadBytes: fetch,
    async downloadFile(url, maxLength, handler) {
      const file = join(scratch, 'download')
      await writeFile(file, await fetch(url, maxLength))
      return handler(file)
    },
  }
}

function withinTotal(download: UpdateOptions['download']): UpdateOptions['download'] {
  let total = 0
  return async (path, maxBytes) => {
    const bytes = await download(path, Math.min(maxBytes, MAX_TOTAL - total))
    total += bytes?.byteLength ?? 0
    return bytes
  }
}
