import type { Config } from '../config/config.ts'
import type { RegistryConfig, UrlRegistryConfig } from '../config/registry-config.ts'
import type { RegistryHost } from '../reference/repository.ts'
import type { UpstreamPlace } from '../upstream/open-upstreams.ts'
import { endpointOptions, type EndpointContext } from './endpoint-options.ts'
import { openDockerCredentials } from './open-docker-credentials.ts'

/** The configured registries and their mirrors, with the files that they name read. @throws ConfigError */
export async function upstreamPlaces(
  config: Pick<Config, 'registries' | 'dockerConfig' | 'certsD'>,
): Promise<ReadonlyMap<RegistryHost, UpstreamPlace>> {
  const { dockerConfig, certsD } = config
  const docker = dockerConfig === undefined ? undefined : await openDockerCredentials(dockerConfig)
  const places = new Map<RegistryHost, UpstreamPlace>()
  for (const [host, registry] of config.registries) {
    places.set(host, await placeOf(registry, { setting: `registries["${host}"]`, certsD, docker }))
  }
  return places
}

async function placeOf(registry: RegistryConfig, context: EndpointContext): Promise<UpstreamPlace> {
  return 'layout' in registry
    ? { kind: 'layout', directory: registry.layout }
    : { kind: 'registry', ...(await registryPlace(registry, context)) }
}

type RegistryPlace = Omit<Extract<UpstreamPlace, { kind: 'registry' }>, 'kind'>

async function registryPlace(registry: UrlRegistryConfig, context: EndpointContext): Promise<RegistryPlace> {
  const { maxManifestBytes, push } = registry
  // A client's own login is added to each client's view of it; nobody else's is ever shown to it.
  const own = registry.credentials === 'client' ? { ...context, docker: undefined } : context
  const options = { ...(await endpointOptions(registry, own)), maxManifestBytes, push }
  const mirrors = []
  for (const [index, mirror] of registry.mirrors.entries()) {
    const setting = `${context.setting}.mirrors[${index}]`
    const endpoint = await endpointOptions(mirror, { ...context, setting })
    mirrors.push({ pull: mirror.pull, options: { ...endpoint, maxManifestBytes } })
  }
  return { options, mirrors }
}
