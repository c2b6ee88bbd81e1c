import type { RegistryHost } from '../reference/repository.ts'
import type { FindCredentials } from './credentials/credentials.ts'
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

  /** The same, but for one registry that somebody else asks. Closing these closes none of the others. */
  seenBy(host: RegistryHost, credentials: FindCredentials): Upstreams {
    const upstream = this.#byHost.get(host)
    if (upstream?.seenBy === undefined) throw new Error(`${host} is the same whoever asks`)
    return new Upstreams(new Map([...this.#byHost, [host, upstream.seenBy(credentials)]]))
  }

  async close(): Promise<void> {
    await Promise.all([...this.#byHost.values()].map(upstream => upstream.close()))
  }
}
