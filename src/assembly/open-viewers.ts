import type { Config } from '../config/config.ts'
import { Viewers } from '../http/viewers/viewers.ts'
import type { Engine } from './create-engine.ts'
import type { Compartment } from './open-compartment.ts'

const IDLE_MS = 10 * 60 * 1000

/** Those who come with credentials of their own; undefined where no registry is asked with those. */
export function openViewers<Gate>(
  { registries, limits }: Config,
  engine: Engine,
  gateOver: (compartment: Compartment) => Gate,
): Viewers<Gate> | undefined {
  const own = [...registries].filter(([, registry]) => 'url' in registry && registry.credentials === 'client')
  if (own.length === 0) return undefined
  return new Viewers({
    hosts: new Set(own.map(([host]) => host)),
    maxViewers: limits.viewers,
    idleMs: IDLE_MS,
    open(host, credentials, name) {
      const compartment = engine.compartmentFor(host, async () => credentials, name)
      const { forget, close } = compartment
      return { gate: gateOver(compartment), forget, close }
    },
  })
}
