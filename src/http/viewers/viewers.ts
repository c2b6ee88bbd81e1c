import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Digest } from '../../reference/digest.ts'
import type { RegistryHost, Repository, Tag } from '../../reference/repository.ts'
import type { Credentials } from '../../upstream/credentials/credentials.ts'

export type OwnCredentials = Extract<Credentials, { kind: 'password' }>

/** All that the gate has fetched, found out and remembered for one set of credentials. */
export type View<Gate> = {
  readonly gate: Gate
  readonly forget: (repository: Repository, reference: Tag | Digest) => void
  readonly close: () => Promise<void>
}

export type ViewersOptions<Gate> = {
  /** The registries that are asked with the credentials of whoever asks us. */
  readonly hosts: ReadonlySet<RegistryHost>
  readonly maxViewers: number
  /** Milliseconds after which one who asks for nothing is forgotten, credentials and all. */
  readonly idleMs: number
  /** @param name nobody else's, and the same at every replica; it tells nothing of the credentials to who cannot guess them */
  readonly open: (host: RegistryHost, credentials: OwnCredentials, name: string) => View<Gate>
}

/**
 * Those who come with credentials of their own. No verdict, token or blob that was had with somebody's is given to anybody
 * else: who has the same user and password for the same registry is the same viewer, and all others have views of their own.
 */
export class Viewers<Gate> {
  readonly #options: ViewersOptions<Gate>
  readonly #views: LRUCache<string, View<Gate>>

  constructor(options: ViewersOptions<Gate>) {
    this.#options = options
    this.#views = new LRUCache({
      max: options.maxViewers,
      ttl: options.idleMs,
      updateAgeOnGet: true,
      ttlAutopurge: true,
      dispose: view => void view.close(),
    })
  }

  get hosts(): ReadonlySet<RegistryHost> {
    return this.#options.hosts
  }

  gateFor(host: RegistryHost, credentials: OwnCredentials): Gate {
    const name = nameOf(host, credentials)
    let view = this.#views.get(name)
    if (view === undefined) {
      view = this.#options.open(host, credentials, name)
      this.#views.set(name, view)
    }
    return view.gate
  }

  /** What somebody pushed is there for all who may see it. */
  forget(repository: Repository, reference: Tag | Digest): void {
    for (const view of this.#views.values()) view.forget(repository, reference)
  }

  async close(): Promise<void> {
    const views = [...this.#views.values()]
    this.#views.clear()
    await Promise.all(views.map(view => view.close()))
  }
}

/** As JSON, so that no other tuple has the same text. */
function nameOf(host: RegistryHost, { username, password }: OwnCredentials): string {
  return createHash('sha256')
    .update(JSON.stringify([host, username, password]))
    .digest('base64url')
}
