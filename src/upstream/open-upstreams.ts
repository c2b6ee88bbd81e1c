import type { RegistryHost } from '../reference/repository.ts'
import { openLayoutUpstream } from './layout-upstream.ts'
import { openRegistryUpstream, type RegistryUpstreamOptions } from './registry-upstream.ts'
import type { Upstream } from './upstream.ts'
import { Upstreams } from './upstreams.ts'

export type UpstreamPlace =
  | { readonly kind: 'layout'; readonly directory: string }
  | { readonly kind: 'registry'; readonly options: RegistryUpstreamOptions }

/** Opens every configured upstream. Nothing is dialled before the first pull. */
export function openUpstreams(places: ReadonlyMap<RegistryHost, UpstreamPlace>): Upstreams {
  const byHost = new Map<RegistryHost, Upstream>()
  for (const [host, place] of places) {
    switch (place.kind) {
      case 'layout':
        byHost.set(host, openLayoutUpstream(place.directory))
        break
      case 'registry':
        byHost.set(host, openRegistryUpstream(place.options))
        break
    }
  }
  return new Upstreams(byHost)
}
