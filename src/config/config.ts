import { z } from 'zod'
import { parseRegistryHost, type RegistryHost } from '../reference/repository.ts'
import { contradictionsIn } from './contradictions.ts'
import { address } from './listen-address.ts'
import { bytes, MIN_HELD_BYTES, positiveSeconds } from './measures.ts'
import { registryHost, repositoryText, scope } from './names.ts'
import { registry, type RegistryConfig } from './registry-config.ts'
import { shared } from './shared-config.ts'

/**
 * Every setting, its type and its default: the one table of them. config/sealgate.yaml shows them with comments.
 * Paths in a parsed configuration are still as written; load-config.ts makes them absolute.
 */

const seconds = z.number().min(0).max(86_400)

const auth = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('none') }),
  /** htpasswd with bcrypt hashes, or lines of `name: SHA-256 of the token in hex`; read anew when it changes. */
  z.strictObject({ kind: z.enum(['htpasswd', 'tokens']), file: z.string().min(1) }),
])

/** A token bucket: `perSecond` requests in the long run, `burst` at once. */
const rate = z.strictObject({ perSecond: z.number().positive().max(1_000_000), burst: z.number().int().min(1) })

const mode = z.enum(['enforce', 'audit'])

const keyBroker = z.strictObject({
  kind: z.enum(['attestation-agent-2022', 'attestation-agent-2023', 'cdh-grpc', 'cdh', 'offline-fs']),
  address: z.string().min(1).optional(),
  aaKbcParams: z.string().min(1).default('offline_fs_kbc::null'),
  timeout: positiveSeconds.default(10),
  /** How often policy and keys are asked for again. */
  refresh: positiveSeconds.default(60),
  /** How long pulls go on with the last good policy while the broker is down; 0: for ever. */
  maxAge: z.number().min(0).default(0),
  /** Which resource stands for a path in the policy that is not on this machine's disk, by that path. */
  resources: z.record(z.string(), z.string().min(1)).default({}),
})

const plainUrl = z.string().transform((text, context) => {
  const url = URL.parse(text)
  const isPlain = url !== null && url.search === '' && url.hash === '' && url.username === '' && url.password === ''
  if (isPlain && ['http:', 'https:'].includes(url.protocol)) return url
  context.addIssue({ code: 'custom', message: 'expected an http:// or https:// URL without user, query and fragment' })
  return z.NEVER
})

/** A TUF repository that trusted roots come from; the policy names its targets: `tuf:trusted_root.json`. */
const tuf = z.strictObject({
  mirror: plainUrl,
  /** The root.json that everything else is verified by. */
  root: z.string().min(1),
  /** A directory of Sealgate's own: what was verified last, so that nothing older is taken. */
  cache: z.string().min(1),
  /** PEM file of the CAs that the mirror is trusted by, instead of the system's. */
  ca: z.string().min(1).optional(),
  refresh: positiveSeconds.default(3600),
  /** For one refresh, all its downloads together. */
  timeout: positiveSeconds.max(50).default(10),
})

const policyPlace = z.union([z.string().min(1), z.strictObject({ resource: z.string().min(1) })])

const configSchema = z.strictObject({
  listen: address.prefault('127.0.0.1:5000'),
  admin: address.prefault('127.0.0.1:5001'),
  /** PEM files, read anew when they change. With clientCa only clients with a certificate of one of its CAs get in. */
  tls: z
    .strictObject({ cert: z.string().min(1), key: z.string().min(1), clientCa: z.string().min(1).optional() })
    .optional(),
  /** Who may pull: anybody, or whoever has a password or token. */
  auth: auth.prefault({ kind: 'none' }),
  /** Requests to /v2, by address and by user; beyond, the answer is 429. */
  rateLimits: z.strictObject({ perAddress: rate.optional(), perUser: rate.optional() }).prefault({}),
  policy: policyPlace,
  /** Judged beside the policy in force, in its own time: differences are logged and counted, and change no answer. */
  shadowPolicy: policyPlace.optional(),
  signedIdentityDefault: z.enum(['asClaimed', 'matchRepoDigestOrExact', 'none']).default('asClaimed'),
  /** covers: a verdict on an index covers what it lists; children: an index also passes if every child does by itself. */
  index: z.enum(['covers', 'children']).default('covers'),
  indexDepth: z.number().int().min(1).max(4).default(2),
  defaultRegistry: registryHost.optional(),
  registries: z.record(z.string(), registry).transform((record, context) => {
    const registries = new Map<RegistryHost, RegistryConfig>()
    for (const [text, value] of Object.entries(record)) {
      const host = parseRegistryHost(text)
      if (host === undefined || registries.has(host)) {
        const message =
          host === undefined ? 'is not a registry host (host or host:port)' : `is ${host}, which is there already`
        context.addIssue({ code: 'custom', message, path: [text] })
        return z.NEVER
      }
      registries.set(host, value)
    }
    if (registries.size === 0) {
      context.addIssue({ code: 'custom', message: 'at least one registry is needed: nothing else can be pulled' })
      return z.NEVER
    }
    return registries
  }),
  /**
   * A docker config.json, or containers-auth.json: credentials of registries and mirrors that name none of their own. Read
   * anew each time they are needed.
   */
  dockerConfig: z.string().min(1).optional(),
  /** Directories as containers-certs.d(5) has them, the first with a directory for a host counts. Read at start. */
  certsD: z.array(z.string().min(1)).default([]),
  /**
   * Where signatures are looked for beside an image's own repository, by scope; the most specific one counts. What cosign
   * calls COSIGN_REPOSITORY.
   */
  signatureRepositories: z.array(z.strictObject({ scope, repository: repositoryText })).default([]),
  /** Host names of the gate's own that stand for one registry each: `docker-io.gate.example: docker.io`. */
  hostNames: z
    .record(z.string(), registryHost)
    .transform(record => new Map(Object.entries(record).map(([name, host]) => [name.toLowerCase(), host])))
    .prefault({}),
  keyBroker: keyBroker.optional(),
  tuf: tuf.optional(),
  lookaside: z.string().min(1).optional(),
  /** admitted: only blobs that an accepted manifest of the repository names; all: any blob but manifests. */
  blobs: z.enum(['all', 'admitted']).default('all'),
  /** What a refused HEAD is answered: auto is 405 for clients that then repeat it as GET and show the reason, else 403. */
  headOnRefusal: z.enum(['auto', '403', '405']).default('auto'),
  cache: z
    .strictObject({
      /** How long an accepted verdict is believed, while policy and keys stay the same. */
      accepted: seconds.default(3600),
      /** How long a refusal is: short, so that a fresh signature works at once. */
      refused: z.number().min(0).max(30).default(2),
      /** How long a tag is believed to point where it did. */
      tags: z.number().min(0).max(60).default(1),
      verdicts: z.number().int().min(1).default(8000),
      /** Bytes of manifests kept. */
      manifestBytes: bytes.default(32 * 1024 * 1024),
    })
    .prefault({}),
  shared: shared.optional(),
  limits: z
    .strictObject({
      signatures: z.number().int().min(1).max(1000).default(64),
      signatureBytes: bytes.default(1024 * 1024),
      /** The whole of a verdict: every look-up and check. */
      verdictSeconds: positiveSeconds.default(20),
      /** A client that takes nothing of a blob for so long is hung up on. */
      stallSeconds: positiveSeconds.default(120),
      /** Manifest requests under way at once; beyond, the answer is 503. */
      pulls: z.number().int().min(1).default(4000),
      /** Manifests and signatures that pulls under way hold together, in bytes; beyond, the answer is 503. */
      heldBytes: bytes.min(MIN_HELD_BYTES).default(256 * 1024 * 1024),
      /** Logins of clients, where registries are asked with those, that are remembered at once; some MiB each at most. */
      viewers: z.number().int().min(1).max(10_000).default(100),
    })
    .prefault({}),
  /** How long pulls under way may take to finish after SIGTERM. */
  shutdownSeconds: seconds.default(30),
  /** audit: what would be refused or is undecided is served with a Warning, logged and counted. */
  mode: mode.default('enforce'),
  /** The mode of a scope, whole components; the most specific one counts. */
  modes: z.array(z.strictObject({ scope, mode })).default([]),
  /** Scopes let through until a date although they are refused. */
  exceptions: z
    .array(
      z.strictObject({
        scope,
        until: z.union([z.iso.date(), z.iso.datetime({ offset: true })]).transform(text => new Date(text)),
        reason: z.string().min(1).max(200),
        by: z.string().min(1).max(100),
      }),
    )
    .default([]),
  /** One record a decision, as JSON lines; rotated by size. */
  audit: z
    .strictObject({
      file: z.string().min(1),
      maxBytes: bytes.default(100 * 1024 * 1024),
      keep: z.number().int().min(1).max(1000).default(10),
    })
    .optional(),
  /** A trace per pull, sent as OTLP over HTTP (JSON). */
  tracing: z
    .strictObject({
      endpoint: plainUrl,
      /** Of pulls: 1 is all of them. */
      sampleRatio: z.number().min(0).max(1).default(1),
      serviceName: z.string().min(1).max(100).default('sealgate'),
      /** Whether the traceparent of clients is taken, and with it their word on sampling. */
      acceptTraceparent: z.boolean().default(false),
    })
    .optional(),
  log: z.enum(['silent', 'error', 'warn', 'info', 'debug']).default('info'),
  /** Where the explanation of a decision is found, for the "detail" of a refusal; default: the admin address. */
  explainUrl: z.string().min(1).optional(),
})

export type Config = z.output<typeof configSchema>

export type ParsedConfig =
  { readonly ok: true; readonly config: Config } | { readonly ok: false; readonly problems: readonly string[] }

/** Checks a whole configuration; every problem names the path of its setting. */
export function parseConfig(value: unknown): ParsedConfig {
  const result = configSchema.safeParse(value)
  if (!result.success) {
    return { ok: false, problems: result.error.issues.map(issue => `${formatPath(issue.path)}${issue.message}`) }
  }
  const problems = contradictionsIn(result.data)
  return problems.length > 0 ? { ok: false, problems } : { ok: true, config: result.data }
}

function formatPath(path: readonly PropertyKey[]): string {
  if (path.length === 0) return ''
  const steps = path.map((step, index) => {
    if (typeof step === 'number') return `[${step}]`
    const key = String(step)
    if (!/^\w+$/.test(key)) return `["${key}"]`
    return index === 0 ? key : `.${key}`
  })
  return `${steps.join('')}: `
}
