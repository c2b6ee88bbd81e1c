import { z } from 'zod'

/** redis://[user@]host[:port][/database], rediss:// for TLS. */
const redisUrl = z.string().transform((text, context) => {
  const parsed = URL.canParse(text) ? new URL(text) : undefined
  const problem = parsed === undefined ? 'expected redis:// or rediss://' : problemOf(parsed)
  if (parsed !== undefined && problem === undefined) {
    return {
      tls: parsed.protocol === 'rediss:',
      host: parsed.hostname.replace(/^\[|\]$/g, ''),
      port: parsed.port === '' ? DEFAULT_PORT : Number(parsed.port),
      username: parsed.username === '' ? undefined : parsed.username,
      database: Number(parsed.pathname.slice(1)),
    }
  }
  context.addIssue({ code: 'custom', message: problem ?? 'expected redis:// or rediss://' })
  return z.NEVER
})

const DEFAULT_PORT = 6379

function problemOf({ protocol, hostname, username, password, pathname, search, hash }: URL): string | undefined {
  if (protocol !== 'redis:' && protocol !== 'rediss:') return 'expected redis:// or rediss://'
  if (hostname === '') return 'expected a host'
  if (!/^[A-Za-z0-9._~-]*$/.test(username)) return 'the user has characters that are not taken'
  if (password !== '') return 'a password belongs in passwordFile'
  if (!/^(?:\/[0-9]{0,3})?$/.test(pathname)) return 'expected the number of a database after the host'
  return search === '' && hash === '' ? undefined : 'expected nothing after the database'
}

/** What replicas share their verdicts through: a Redis or Valkey server. */
export const shared = z
  .strictObject({
    url: redisUrl,
    passwordFile: z.string().min(1).optional(),
    /** CAs that the server is trusted by, instead of the system's (PEM). */
    ca: z.string().min(1).optional(),
    /** At least 32 random bytes, the same for all replicas: without it nobody can make an entry that counts. */
    hmacKeyFile: z.string().min(1),
    /** Before every key, for ACLs and for several installations on one server. */
    prefix: z
      .string()
      .regex(/^[A-Za-z0-9:._-]{1,64}$/)
      .default('sealgate:'),
    /** Milliseconds that a pull waits for it at most. */
    timeoutMs: z.number().int().min(1).max(5000).default(50),
  })
  .superRefine(({ url, passwordFile, ca }, context) => {
    // Each would be a setting that is not heeded.
    if (ca !== undefined && !url.tls)
      context.addIssue({ code: 'custom', path: ['ca'], message: 'is for rediss:// alone' })
    if (url.username !== undefined && passwordFile === undefined) {
      context.addIssue({ code: 'custom', path: ['passwordFile'], message: `the user ${url.username} needs one` })
    }
  })

export type SharedConfig = z.output<typeof shared>
