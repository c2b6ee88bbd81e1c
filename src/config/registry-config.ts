import { z } from 'zod'
import { bytes, positiveSeconds } from './measures.ts'

/** One registry of the configuration: a directory of layouts, or a URL with what it takes to talk to it. */
export type RegistryConfig = z.output<typeof registry>
export type UrlRegistryConfig = z.output<typeof urlRegistry>
export type MirrorConfig = z.output<typeof mirror>
/** What a registry and its mirrors have in common. */
export type EndpointConfig = Omit<MirrorConfig, 'pull'>

const dnsName = z
  .string()
  .regex(/^[a-z0-9.-]+(?::[0-9]+)?$/, 'expected a host name in lower case, with a port if it needs one')

const url = z.string().transform((text, context) => {
  const parsed = URL.parse(text)
  if (parsed === null || !['http:', 'https:'].includes(parsed.protocol)) {
    context.addIssue({ code: 'custom', message: 'expected an http:// or https:// URL' })
    return z.NEVER
  }
  if (
    parsed.pathname !== '/' ||
    parsed.search !== '' ||
    parsed.hash !== '' ||
    parsed.username !== '' ||
    parsed.password !== ''
  ) {
    context.addIssue({
      code: 'custom',
      message: 'expected scheme, host and port only: a path goes into "prefix", a user into "username"',
    })
    return z.NEVER
  }
  return parsed
})

const layoutRegistry = z.strictObject({ layout: z.string().min(1) })

/** What it takes to talk to one host: a registry's own, or a mirror's. */
const endpoint = {
  url,
  /** Put before the repository at the upstream, as pull-through projects of Harbor and Artifactory want it. */
  prefix: z
    .string()
    .regex(/^[a-z0-9]+(?:[._/-]+[a-z0-9]+)*$/, 'expected a repository path in lower case')
    .optional(),
  /** PEM file of the CAs that this host is trusted by, instead of the system's. */
  ca: z.string().min(1).optional(),
  /** PEM files: shown to this host as a client's certificate, and to no host that it points at. Read at start. */
  clientCert: z.string().min(1).optional(),
  clientKey: z.string().min(1).optional(),
  username: z.string().min(1).optional(),
  password: z.string().optional(),
  passwordFile: z.string().min(1).optional(),
  /** Hosts (host or host:port) to which this host may redirect blobs. Itself it always may. */
  redirectHosts: z.array(dnsName).default([]),
  /** Hosts that may hand out tokens for this one, beside itself. */
  tokenHosts: z.array(dnsName).default([]),
  timeouts: z
    .strictObject({
      connect: positiveSeconds.default(5),
      headers: positiveSeconds.default(10),
      body: positiveSeconds.default(30),
    })
    .prefault({}),
}

type EndpointRules = {
  readonly url: URL
  readonly username?: string | undefined
  readonly password?: string | undefined
  readonly passwordFile?: string | undefined
  readonly clientCert?: string | undefined
  readonly clientKey?: string | undefined
}

/** What settings of an endpoint say together. */
function checkEndpoint(value: EndpointRules, context: z.core.$RefinementCtx): void {
  const report = (key: string, message: string): void => context.addIssue({ code: 'custom', message, path: [key] })
  const { username, password, passwordFile, clientCert, clientKey } = value
  if (password !== undefined && passwordFile !== undefined) {
    report('passwordFile', 'give "password" or "passwordFile", not both')
  }
  if ((username === undefined) !== (password === undefined && passwordFile === undefined)) {
    report('username', 'a "username" needs a "password" or "passwordFile", and the other way round')
  }
  if ((clientCert === undefined) !== (clientKey === undefined)) {
    report('clientCert', 'a "clientCert" needs its "clientKey", and the other way round')
  }
  if (clientCert !== undefined && value.url.protocol !== 'https:') {
    report('clientCert', 'a certificate is shown over https:// only')
  }
}

/** Asked before the registry itself; what it is not asked, has not got or cannot answer, the next place is asked. */
const mirror = z
  .strictObject({
    ...endpoint,
    /** digest-only: this mirror does not say what a tag points to. registries.conf calls it pull-from-mirror. */
    pull: z.enum(['all', 'digest-only']).default('all'),
  })
  .superRefine(checkEndpoint)

const urlRegistry = z
  .strictObject({
    ...endpoint,
    mirrors: z.array(mirror).max(8).default([]),
    /** client: asked with the user and password of whoever asks us, and nothing of it is shared with those who have others. */
    credentials: z.enum(['configured', 'client']).default('configured'),
    maxManifestBytes: bytes.max(4 * 1024 * 1024).default(4 * 1024 * 1024),
    /** passthrough: pushes and deletions go on to the registry; deny: 405. */
    push: z.enum(['deny', 'passthrough']).default('deny'),
    /** Who may push, by login or by the name in a certificate, and read what is not signed yet; absent: whoever gets in may push. */
    pushers: z.array(z.string().min(1).max(256)).min(1).optional(),
  })
  .superRefine(checkEndpoint)
  .superRefine(({ credentials, username, mirrors, pushers }, context) => {
    if (credentials !== 'client') return
    const report = (key: string, message: string): void => context.addIssue({ code: 'custom', message, path: [key] })
    if (username !== undefined) report('username', 'has no use beside "credentials: client"')
    if (mirrors.length > 0)
      report('mirrors', 'do not go with "credentials: client": who may see what is the registry\'s to say')
    if (pushers !== undefined)
      report('pushers', 'do not go with "credentials: client": who may push is the registry\'s to say')
  })
  .refine(registry => registry.pushers === undefined || registry.push === 'passthrough', {
    message: 'is about "push: passthrough", which is not set',
    path: ['pushers'],
  })

export const registry = z.union([layoutRegistry, urlRegistry], { error: unionError })

/** Says what is wrong with the kind of registry that was meant, instead of that no kind fits. */
function unionError(issue: { readonly input?: unknown }): string {
  const input = issue.input
  if (typeof input !== 'object' || input === null) return 'expected { layout: DIRECTORY } or { url: URL, … }'
  const schema = 'layout' in input ? layoutRegistry : urlRegistry
  const problems = schema.safeParse(input).error?.issues ?? []
  return problems.map(problem => `${problem.path.join('.') || 'registry'}: ${problem.message}`).join('; ')
}
