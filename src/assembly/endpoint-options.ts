import { createSecureContext } from 'node:tls'
import type { EndpointConfig } from '../config/registry-config.ts'
import { ConfigError } from '../config/load-config.ts'
import type { FindCredentials } from '../upstream/credentials/credentials.ts'
import type { DockerCredentials } from '../upstream/credentials/docker-credentials.ts'
import type { ClientCertificate, DialTrust } from '../upstream/dial.ts'
import type { RegistryUpstreamOptions } from '../upstream/registry-upstream.ts'
import { UpstreamError } from '../upstream/upstream-error.ts'
import { loadCertsD } from './load-certs-d.ts'
import { readSettingFile } from './read-setting-file.ts'

/** What an endpoint's settings are completed from, and its name in messages. */
export type EndpointContext = {
  readonly setting: string
  readonly certsD: readonly string[]
  readonly docker: DockerCredentials | undefined
}

export type EndpointOptions = Omit<RegistryUpstreamOptions, 'maxManifestBytes' | 'push'>

const MS = 1000

/** How to talk to one host. Its own settings come before what certs.d and the docker configuration know of it. @throws ConfigError */
export async function endpointOptions(endpoint: EndpointConfig, context: EndpointContext): Promise<EndpointOptions> {
  const { url, prefix, redirectHosts, tokenHosts, timeouts } = endpoint
  const known = url.protocol === 'https:' ? await loadCertsD(context.certsD, url.host) : undefined
  const configured = await configuredCertificate(endpoint, context)
  if (configured === undefined && known?.clientCertificate !== undefined) {
    checkPair(known.clientCertificate, `certsD, for ${url.host}`)
  }
  return {
    url,
    prefix,
    redirectHosts,
    tokenHosts,
    clientCertificate: configured ?? known?.clientCertificate,
    trust: await trustOf(endpoint, context, known?.ca ?? []),
    credentials: credentialsOf(endpoint, context),
    timeouts: { connectMs: timeouts.connect * MS, headersMs: timeouts.headers * MS, bodyMs: timeouts.body * MS },
  }
}

async function trustOf(
  { ca }: EndpointConfig,
  { setting }: EndpointContext,
  known: readonly string[],
): Promise<DialTrust> {
  if (ca !== undefined) return { kind: 'only', ca: await readSettingFile(`${setting}.ca`, ca) }
  return known.length === 0 ? { kind: 'system' } : { kind: 'also', ca: known }
}

async function configuredCertificate(
  { clientCert, clientKey }: EndpointConfig,
  { setting }: EndpointContext,
): Promise<ClientCertificate | undefined> {
  if (clientCert === undefined || clientKey === undefined) return undefined
  const cert = await readSettingFile(`${setting}.clientCert`, clientCert)
  const key = await readSettingFile(`${setting}.clientKey`, clientKey)
  checkPair({ cert, key }, `${setting}.clientCert`)
  return { cert, key }
}

/** At start and not at the first pull: a key of another certificate would be a TLS error that names neither. */
function checkPair(pair: ClientCertificate, what: string): void {
  try {
    createSecureContext(pair)
  } catch (cause) {
    const said = cause instanceof Error && 'code' in cause ? String(cause.code) : 'not PEM'
    throw new ConfigError('the configuration', [`${what}: not a certificate with its key (${said})`], { cause })
  }
}

/** Read anew each time they are needed, so that a rotated password counts at once. */
function credentialsOf(endpoint: EndpointConfig, { setting, docker }: EndpointContext): FindCredentials {
  const { url, username, password, passwordFile } = endpoint
  if (username === undefined) return docker?.forHost(url.host) ?? (async () => undefined)
  return async () => {
    if (passwordFile === undefined) return { kind: 'password', username, password: password ?? '' }
    try {
      const text = await readSettingFile(`${setting}.passwordFile`, passwordFile)
      return { kind: 'password', username, password: text.replace(/\r?\n$/, '') }
    } catch (cause) {
      // Without the path: this is read by whoever pulls.
      throw new UpstreamError('CREDENTIALS_UNREADABLE', `the password for ${url.host} cannot be read`, { cause })
    }
  }
}
