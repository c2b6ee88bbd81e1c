import type { RegistryHost } from '../reference/repository.ts'
import { openLayoutUpstream } from './layout-upstream.ts'
import { openRegistryUpstream, type RegistryUpstreamOptions } from './registry-upstream.ts'
import { measuredUpstream, type ObserveRequest } from './measured-upstream.ts'
import { mirroredUpstream, type Mirror } from './mirrored-upstream.ts'
import type { Upstream } from './upstream.ts'
import { Upstreams } from './upstreams.ts'

export type UpstreamPlace =
  | { readonly kind: 'layout'; readonly directory: string }
  | {
      readonly kind: 'registry'
      readonly options: RegistryUpstreamOptions
      /** In the order in which they are asked. */
      readonly mirrors: readonly { readonly pull: Mirror['pull']; readonly options: RegistryUpstreamOptions }[]
    }

/** Opens every configured upstream. Nothing is dialled before the first pull. */
export function openUpstreams(places: ReadonlyMap<RegistryHost, UpstreamPlace>, observe: ObserveRequest): Upstreams {
  const byHost = new Map<RegistryHost, Upstream>()
  for (const [host, place] of places) {
    switch (place.kind) {
      case 'layout':
        byHost.set(host, measuredUpstream(openLayoutUpstream(place.directory), host, observe))
        break
      case 'registry':
        byHost.set(host, openWithMirrors(host, place, observe))
        break
    }
  }
  return new Upstreams(byHost)
}

/** Each place is measured by itself, so that a mirror that fails is seen: by its own host, which the configuration bounds. */
function openWithMirrors(
  host: RegistryHost,
  place: Extract<UpstreamPlace, { kind: 'registry' }>,
  observe: ObserveRequest,
): Upstream {
  const origin = measuredUpstream(openRegistryUpstream(place.options), host, observe)
  if (place.mirrors.length === 0) return origin
  const mirrors = place.mirrors.map(({ pull, options }) => ({
    pull,
    upstream: measuredUpstream(openRegistryUpstream(options), options.url.host, observe),
  }))
  return mirroredUpstream({ mirrors, origin })
}
