import type { RegistryConfig } from '../config/registry-config.ts'
import type { Pushers } from '../http/push/pushers.ts'
import type { RegistryHost } from '../reference/repository.ts'

/** Who may push where, as configured. */
export function pushersOf(registries: ReadonlyMap<RegistryHost, RegistryConfig>): Pushers {
  const pushers = new Map<RegistryHost, 'anybody' | ReadonlySet<string>>()
  for (const [host, registry] of registries) {
    if ('layout' in registry || registry.push !== 'passthrough') continue
    pushers.set(host, registry.pushers === undefined ? 'anybody' : new Set(registry.pushers))
  }
  return pushers
}
