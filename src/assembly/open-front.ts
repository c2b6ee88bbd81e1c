import type { Config } from '../config/config.ts'
import { ConfigError } from '../config/load-config.ts'
import { checkPasswords, checkTokens, type CheckCredentials } from '../http/front/check-credentials.ts'
import type { Front } from '../http/front/front-hook.ts'
import { RateLimiter, type Rate } from '../http/front/rate-limiter.ts'
import { parseHtpasswd, parseTokenFile, type ParsedUsers } from '../http/front/user-files.ts'
import type { Logger } from '../observe/logger.ts'
import { messageOf } from '../trust/trust-error.ts'
import { watchFiles } from './watched-files.ts'

const POLL_MS = 1000

export type OpenedFront = Front & { readonly close: () => void }

/** What stands before /v2, as configured: users and tokens are read anew when their file changes. @throws ConfigError */
export async function openFront({ auth, rateLimits }: Config, logger: Logger): Promise<OpenedFront> {
  const users = await openUsers(auth, logger)
  return {
    check: users?.check,
    perAddress: limiter(rateLimits.perAddress),
    perUser: limiter(rateLimits.perUser),
    close: () => users?.close(),
  }
}

function limiter(rate: Rate | undefined): RateLimiter | undefined {
  return rate && new RateLimiter(rate)
}

async function openUsers(
  auth: Config['auth'],
  logger: Logger,
): Promise<{ readonly check: CheckCredentials; readonly close: () => void } | undefined> {
  switch (auth.kind) {
    case 'none':
      return undefined
    case 'htpasswd':
      return openUserFile(auth.file, parseHtpasswd, checkPasswords, logger)
    case 'tokens':
      return openUserFile(auth.file, parseTokenFile, checkTokens, logger)
  }
}

async function openUserFile(
  file: string,
  parse: (text: string) => ParsedUsers,
  checkWith: (users: () => ReadonlyMap<string, string>) => CheckCredentials,
  logger: Logger,
): Promise<{ readonly check: CheckCredentials; readonly close: () => void }> {
  let inForce: ReadonlyMap<string, string> = new Map()
  let loaded = false
  try {
    const { close } = await watchFiles({
      paths: [file],
      read: ([bytes = new Uint8Array()]) => {
        const parsed = parse(Buffer.from(bytes).toString('utf8'))
        if (!parsed.ok) throw new Error(`${file}: ${parsed.problems.join('; ')}`)
        return parsed.users
      },
      onChange: users => {
        inForce = users
        if (loaded) logger.info({ file, users: users.size }, 'users in force')
        loaded = true
      },
      onFailure: problem => logger.error({ problem }, 'the new users cannot be used; the last good ones stay in force'),
      pollMs: POLL_MS,
    })
    return { check: checkWith(() => inForce), close }
  } catch (cause) {
    throw new ConfigError('the configuration', [`auth.file: ${messageOf(cause)}`], { cause })
  }
}
