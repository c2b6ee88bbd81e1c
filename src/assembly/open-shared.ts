import { open, readFile } from 'node:fs/promises'
import type { Config } from '../config/config.ts'
import { ConfigError } from '../config/load-config.ts'
import type { SharedConfig } from '../config/shared-config.ts'
import type { Logger } from '../observe/logger.ts'
import type { Metrics } from '../observe/metrics.ts'
import { deriveKeys, ENTRY_VERSION, MIN_SECRET_BYTES } from '../shared/entry.ts'
import type { RedisPlace } from '../shared/dial-redis.ts'
import { RedisConnection, type RedisStatus } from '../shared/redis-connection.ts'
import { createSharedEntries, type SharedEntriesOptions } from '../shared/shared-entries.ts'
import type { SharedEvent } from '../shared/shared-event.ts'
import type { SharedMemory } from '../verdict/shared-memory.ts'
import type { SharedMemories } from './create-engine.ts'
import type { Membership } from '../workers/member.ts'
import { programVersion } from './program-version.ts'

export type OpenedShared = SharedMemories & {
  readonly status: () => RedisStatus
  /** Resolves when the first connection is there or could not be had; it is looked for further in the background. */
  readonly start: () => Promise<void>
  readonly close: () => void
}

/** As long as the other end may take: it is on the same machine. */
const WORKERS_MS = 1000

/** The memory that replicas share, not yet connected. @throws ConfigError */
export async function openShared(
  config: Config,
  shared: SharedConfig,
  logger: Logger,
  metrics: Pick<Metrics, 'shared'>,
): Promise<OpenedShared> {
  const keys = deriveKeys(await readSecret(shared.hmacKeyFile, logger))
  const onEvent = (event: SharedEvent): void => {
    metrics.shared(event)
    logSharedEvent(logger, event)
  }
  // Read once here, so that a file that is not there is found out at the start.
  await placeOf(shared)
  const { prefix, timeoutMs } = shared
  const connection = new RedisConnection({
    place: () => placeOf(shared),
    timeoutMs,
    probe: `${prefix}probe`,
    onEvent,
  })
  const context = await contextOf(config)
  return {
    ...memories({ connection, keys, context, prefix, timeoutMs, onEvent }),
    status: () => connection.status,
    start: () => connection.start(),
    close: () => connection.close(),
  }
}

/** The name is part of what entries rest on, so that what is told under one is seen under no other. */
function memories(options: SharedEntriesOptions): SharedMemories {
  const apart = (name: string): SharedMemory =>
    createSharedEntries({ ...options, context: [...options.context, `apart ${name}`] })
  return { memory: createSharedEntries(options), apart }
}

/** Beyond the snapshot, all that an entry rests on. */
export async function contextOf(config: Config): Promise<readonly string[]> {
  return [
    `entry ${ENTRY_VERSION}`,
    `sealgate ${await programVersion()}`,
    config.signedIdentityDefault,
    config.index,
    String(config.indexDepth),
    String(config.limits.signatures),
    String(config.limits.signatureBytes),
  ]
}

/** The memory that the workers of one gate share: the same entries, kept by the process that started them. */
export async function openWorkersShared(
  config: Config,
  { connection, secret }: Pick<Membership, 'connection' | 'secret'>,
  logger: Logger,
  metrics: Pick<Metrics, 'shared'>,
): Promise<OpenedShared> {
  const since = new Date()
  const onEvent = (event: SharedEvent): void => {
    metrics.shared(event)
    logSharedEvent(logger, event)
  }
  const keys = deriveKeys(secret)
  const context = await contextOf(config)
  return {
    ...memories({ connection, keys, context, prefix: '', timeoutMs: WORKERS_MS, onEvent }),
    status: () => ({ status: 'up', since }),
    start: async () => onEvent({ type: 'up' }),
    close: () => undefined,
  }
}

async function placeOf({ url, passwordFile, ca }: SharedConfig): Promise<RedisPlace> {
  const { host, port, database, username, tls } = url
  const password = passwordFile === undefined ? undefined : await readSetting('passwordFile', passwordFile)
  const trusted = ca === undefined ? undefined : await readSetting('ca', ca)
  return {
    host,
    port,
    database,
    username,
    password: password?.replace(/\r?\n$/, ''),
    tls: tls ? { ca: trusted } : undefined,
  }
}

async function readSecret(path: string, logger: Logger): Promise<Uint8Array> {
  let bytes: Buffer
  let mode: number
  try {
    const file = await open(path)
    try {
      mode = (await file.stat()).mode
      bytes = await file.readFile()
    } finally {
      await file.close()
    }
  } catch (cause) {
    throw unreadable('hmacKeyFile', path, cause)
  }
  // A line end that an editor has put there is not part of the secret, whatever the replica.
  const secret = bytes.subarray(0, bytes.length - (/\r?\n$/.exec(bytes.toString('latin1'))?.[0].length ?? 0))
  if (secret.byteLength < MIN_SECRET_BYTES) {
    const problem = `shared.hmacKeyFile: ${path} has ${secret.byteLength} bytes, fewer than ${MIN_SECRET_BYTES}`
    throw new ConfigError('the configuration', [problem])
  }
  if ((mode & 0o004) !== 0) {
    logger.warn({ file: path }, 'shared.hmacKeyFile can be read by everybody: whoever has it can make verdicts')
  }
  return secret
}

async function readSetting(setting: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw unreadable(setting, path, cause)
  }
}

function unreadable(setting: string, path: string, cause: unknown): ConfigError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unreadable'
  return new ConfigError('the configuration', [`shared.${setting}: ${path} cannot be read (${code})`], { cause })
}

/** Only what changes: how single looks go is for the metrics. */
function logSharedEvent(logger: Logger, event: SharedEvent): void {
  switch (event.type) {
    case 'up':
      return logger.info('the shared memory is in use')
    case 'down':
      return logger.warn({ problem: event.problem }, 'without the shared memory: this replica goes on alone')
    case 'fault':
      return logger.error({ err: event.error }, 'internal error in the shared memory')
    case 'look':
    case 'tell':
    case 'refused':
      return
  }
}
