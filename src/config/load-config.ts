import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { LineCounter, parseDocument } from 'yaml'
import type { RegistryHost } from '../reference/repository.ts'
import { parseConfig, type Config } from './config.ts'
import type { EndpointConfig, RegistryConfig } from './registry-config.ts'
import type { SharedConfig } from './shared-config.ts'

type TlsConfig = NonNullable<Config['tls']>

/** A configuration that cannot be used, with every problem found in it. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly string[]

  constructor(file: string, problems: readonly string[], options?: ErrorOptions) {
    super(`${file} cannot be used:\n${problems.map(problem => `  ${problem}`).join('\n')}`, options)
    this.problems = problems
  }
}

/**
 * Reads a configuration file (YAML 1.2) and makes the paths in it absolute, relative to the file.
 *
 * @throws ConfigError
 */
export async function loadConfig(file: string): Promise<Config> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    throw new ConfigError(file, [`cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`], {
      cause,
    })
  }
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false, strict: true })
  const broken = [...document.errors, ...document.warnings]
  if (broken.length > 0) {
    throw new ConfigError(
      file,
      broken.map(error => {
        const { line, col } = lines.linePos(error.pos[0])
        return `${error.message} (line ${line}, column ${col})`
      }),
    )
  }
  const parsed = parseConfig(document.toJS({ maxAliasCount: 100 }))
  if (!parsed.ok) throw new ConfigError(file, parsed.problems)
  return withAbsolutePaths(parsed.config, dirname(resolve(file)))
}

/** The configuration with every path in it made absolute against `base`; URIs and resource names stay as they are. */
export function withAbsolutePaths(config: Config, base: string): Config {
  const at = (path: string): string => (/^[a-z]+:\/\//.test(path) ? path : resolve(base, path))
  const policyAt = (policy: Config['policy']): Config['policy'] => (typeof policy === 'string' ? at(policy) : policy)
  const socket = (listen: Config['listen']): Config['listen'] =>
    listen.kind === 'unix' ? { kind: 'unix', path: resolve(base, listen.path) } : listen
  const registries = new Map<RegistryHost, RegistryConfig>()
  for (const [host, registry] of config.registries) registries.set(host, withAbsoluteRegistryPaths(registry, base))
  return {
    ...config,
    listen: socket(config.listen),
    admin: socket(config.admin),
    policy: policyAt(config.policy),
    ...(config.shadowPolicy === undefined ? {} : { shadowPolicy: policyAt(config.shadowPolicy) }),
    registries,
    ...(config.keyBroker === undefined ? {} : { keyBroker: withAbsoluteBrokerPath(config.keyBroker, base) }),
    ...(config.tuf === undefined ? {} : { tuf: withAbsoluteTufPaths(config.tuf, base) }),
    ...(config.tls === undefined ? {} : { tls: withAbsoluteTlsPaths(config.tls, base) }),
    auth: config.auth.kind === 'none' ? config.auth : { ...config.auth, file: resolve(base, config.auth.file) },
    ...(config.audit === undefined ? {} : { audit: { ...config.audit, file: resolve(base, config.audit.file) } }),
    ...(config.shared === undefined ? {} : { shared: withAbsoluteSharedPaths(config.shared, base) }),
    ...(config.lookaside === undefined ? {} : { lookaside: resolve(base, config.lookaside) }),
    ...(config.dockerConfig === undefined ? {} : { dockerConfig: resolve(base, config.dockerConfig) }),
    certsD: config.certsD.map(directory => resolve(base, directory)),
  }
}

function withAbsoluteTlsPaths({ cert, key, clientCa }: TlsConfig, base: string): TlsConfig {
  const files = { cert: resolve(base, cert), key: resolve(base, key) }
  return clientCa === undefined ? files : { ...files, clientCa: resolve(base, clientCa) }
}

function withAbsoluteTufPaths(tuf: NonNullable<Config['tuf']>, base: string): NonNullable<Config['tuf']> {
  const { root, cache, ca } = tuf
  const paths = { root: resolve(base, root), cache: resolve(base, cache) }
  return { ...tuf, ...paths, ...(ca === undefined ? {} : { ca: resolve(base, ca) }) }
}

function withAbsoluteSharedPaths(shared: SharedConfig, base: string): SharedConfig {
  const { ca, passwordFile, hmacKeyFile } = shared
  return {
    ...shared,
    hmacKeyFile: resolve(base, hmacKeyFile),
    ...(ca === undefined ? {} : { ca: resolve(base, ca) }),
    ...(passwordFile === undefined ? {} : { passwordFile: resolve(base, passwordFile) }),
  }
}

/** A resources file or a socket; the other addresses are no paths. */
function withAbsoluteBrokerPath(
  broker: NonNullable<Config['keyBroker']>,
  base: string,
): NonNullable<Config['keyBroker']> {
  const { kind, address } = broker
  if (address === undefined) return broker
  if (kind === 'offline-fs') return { ...broker, address: resolve(base, address) }
  const socket = /^unix:(?!\/\/)(.+)$/.exec(address)?.[1]
  return socket === undefined ? broker : { ...broker, address: `unix:${resolve(base, socket)}` }
}

function withAbsoluteRegistryPaths(registry: RegistryConfig, base: string): RegistryConfig {
  if ('layout' in registry) return { layout: resolve(base, registry.layout) }
  const mirrors = registry.mirrors.map(mirror => ({ ...mirror, ...absoluteEndpointPaths(mirror, base) }))
  return { ...registry, ...absoluteEndpointPaths(registry, base), mirrors }
}

type EndpointPaths = Pick<EndpointConfig, 'ca' | 'passwordFile' | 'clientCert' | 'clientKey'>

function absoluteEndpointPaths(
  { ca, passwordFile, clientCert, clientKey }: EndpointPaths,
  base: string,
): EndpointPaths {
  return {
    ...(ca === undefined ? {} : { ca: resolve(base, ca) }),
    ...(clientCert === undefined ? {} : { clientCert: resolve(base, clientCert) }),
    ...(clientKey === undefined ? {} : { clientKey: resolve(base, clientKey) }),
    ...(passwordFile === undefined ? {} : { passwordFile: resolve(base, passwordFile) }),
  }
}
