import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import type { RegistryConfig, UrlRegistryConfig } from '../config/registry-config.ts'
import { ConfigError } from '../config/load-config.ts'
import type { RegistryHost } from '../reference/repository.ts'
import type { ClientCertificate } from '../upstream/dial.ts'
import type { UpstreamPlace } from '../upstream/open-upstreams.ts'
import type { Credentials } from '../upstream/token-client.ts'

const MS = 1000

/** The configured registries, with the files that they name read. @throws ConfigError */
export async function upstreamPlaces(
  registries: ReadonlyMap<RegistryHost, RegistryConfig>,
): Promise<ReadonlyMap<RegistryHost, UpstreamPlace>> {
  const places = new Map<RegistryHost, UpstreamPlace>()
  for (const [host, registry] of registries) {
    places.set(
      host,
      'layout' in registry ? { kind: 'layout', directory: registry.layout } : await registryPlace(host, registry),
    )
  }
  return places
}

async function registryPlace(host: RegistryHost, registry: UrlRegistryConfig): Promise<UpstreamPlace> {
  const { url, prefix, ca, redirectHosts, tokenHosts, timeouts, maxManifestBytes, push } = registry
  return {
    kind: 'registry',
    options: {
      url,
      prefix,
      redirectHosts,
      tokenHosts,
      maxManifestBytes,
      push,
      clientCertificate: await clientCertificateOf(host, registry),
      ca: ca === undefined ? undefined : await readSetting(`registries["${host}"].ca`, ca),
      credentials: () => credentialsOf(host, registry),
      timeouts: { connectMs: timeouts.connect * MS, headersMs: timeouts.headers * MS, bodyMs: timeouts.body * MS },
    },
  }
}

async function clientCertificateOf(
  host: RegistryHost,
  { clientCert, clientKey }: UrlRegistryConfig,
): Promise<ClientCertificate | undefined> {
  if (clientCert === undefined || clientKey === undefined) return undefined
  const cert = await readSetting(`registries["${host}"].clientCert`, clientCert)
  const key = await readSetting(`registries["${host}"].clientKey`, clientKey)
  try {
    // Here and not at the first pull: a key of another certificate would be a TLS error that names neither.
    createSecureContext({ cert, key })
  } catch (cause) {
    const said = cause instanceof Error && 'code' in cause ? String(cause.code) : 'not PEM'
    throw new ConfigError(
      'the configuration',
      [`registries["${host}"].clientCert: not a certificate with its key (${said})`],
      {
        cause,
      },
    )
  }
  return { cert, key }
}

/** Read anew each time they are needed, so that a rotated password counts at once. */
async function credentialsOf(host: RegistryHost, registry: UrlRegistryConfig): Promise<Credentials | undefined> {
  const { username, password, passwordFile } = registry
  if (username === undefined) return undefined
  if (passwordFile === undefined) return { username, password: password ?? '' }
  return {
    username,
    password: (await readSetting(`registries["${host}"].passwordFile`, passwordFile)).replace(/\r?\n$/, ''),
  }
}

async function readSetting(setting: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unreadable'
    throw new ConfigError('the configuration', [`${setting}: ${path} cannot be read (${code})`], { cause })
  }
}
