import type { RegistryHost } from '../reference/repository.ts'
import { openLayoutUpstream } from './layout-upstream.ts'
import { openRegistryUpstream, type RegistryUpstreamOptions } from './registry-upstream.ts'
import { measuredUpstream, type ObserveRequest } from './measured-upstream.ts'
import type { Upstream } from './upstream.ts'
import { Upstreams } from './upstreams.ts'

export type UpstreamPlace =
  | { readonly kind: 'layout'; readonly directory: string }
  | { readonly kind: 'registry'; readonly options: RegistryUpstreamOptions }

/** Opens every configured upstream. Nothing is dialled before the first pull. */
export function openUpstreams(places: ReadonlyMap<RegistryHost, UpstreamPlace>, observe: ObserveRequest): Upstreams {
  const byHost = new Map<RegistryHost, Upstream>()
  for (const [host, place] of places) {
    switch (place.kind) {
      case 'layout':
        byHost.set(host, measuredUpstream(openLayoutUpstream(place.directory), host, observe))
        break
      case 'registry':
        byHost.set(host, measuredUpstream(openRegistryUpstream(place.options), host, observe))
        break
    }
  }
  return new Upstreams(byHost)
}
