import type { RegistryHost } from '../reference/repository.ts'
import type { Upstream } from './upstream.ts'

/** Which upstream stands for which registry. What is not in here is never dialled. */
export class Upstreams {
  readonly #byHost: ReadonlyMap<RegistryHost, Upstream>

  constructor(byHost: ReadonlyMap<RegistryHost, Upstream>) {
    this.#byHost = byHost
  }

  forHost(host: RegistryHost): Upstream | undefined {
    return this.#byHost.get(host)
  }

  async close(): Promise<void> {
    await Promise.all([...this.#byHost.values()].map(upstream => upstream.close()))
  }
}
