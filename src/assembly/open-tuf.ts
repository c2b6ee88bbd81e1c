import { readFile } from 'node:fs/promises'
import type { Config } from '../config/config.ts'
import { ConfigError } from '../config/load-config.ts'
import { parseTrustedRoot } from '../signatures/trusted-root.ts'
import type { AskTuf } from '../trust/load-snapshot.ts'
import { openMirror } from '../tuf/mirror.ts'
import { openTufCache } from '../tuf/tuf-cache.ts'
import { TufError } from '../tuf/tuf-error.ts'
import { openTufSource } from '../tuf/tuf-source.ts'
import { versionOf } from '../tuf/update.ts'

export type OpenedTuf = { readonly ask: AskTuf; readonly close: () => Promise<void> }

const MS = 1000

/**
 * The configured TUF repository, ready to be asked for what a policy names. Nothing is dialled before that. A target is held
 * to the same rules as a pinned trusted_root.json before it takes the place of the one that was.
 *
 * @throws ConfigError if the pinned root, the CA or the cache directory cannot be used
 */
export async function openTuf(config: NonNullable<Config['tuf']>): Promise<OpenedTuf> {
  const { mirror: url, refresh, timeout } = config
  const pinnedRoot = await readSetting('tuf.root', config.root)
  const ca = config.ca === undefined ? undefined : (await readSetting('tuf.ca', config.ca)).toString('utf8')
  try {
    versionOf(pinnedRoot)
    const cache = await openTufCache({ directory: config.cache, mirror: url.href, pinnedRoot })
    const mirror = openMirror({ url, ca })
    const source = openTufSource({
      mirror,
      cache,
      pinnedRoot,
      check: (bytes, target) => void parseTrustedRoot(bytes, `tuf:${target}`),
      refreshMs: refresh * MS,
      timeoutMs: timeout * MS,
    })
    return {
      ask: async (target, signal) => ({ ...(await source.get(target, signal)), from: `TUF ${mirror.name}` }),
      close: () => source.close(),
    }
  } catch (cause) {
    if (!(cause instanceof TufError)) throw cause
    throw new ConfigError('the configuration', [`tuf: ${cause.message}`], { cause })
  }
}

async function readSetting(setting: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unreadable'
    throw new ConfigError('the configuration', [`${setting}: ${path} cannot be read (${code})`], { cause })
  }
}
