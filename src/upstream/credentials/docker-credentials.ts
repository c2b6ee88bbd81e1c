import { LRUCache } from 'lru-cache'
import { SingleFlight } from '../../cache/single-flight.ts'
import { askCredentialHelper } from './credential-helper.ts'
import type { Credentials, FindCredentials } from './credentials.ts'
import { placesFor, type DockerConfig } from './docker-config.ts'

/** Short: a rotated secret counts soon. A helper may be slow, and tokens are asked for per repository. */
const HELPER_MS = 20_000
const MAX_ANSWERS = 1000

/** Credentials by a docker config.json, its helpers asked at most every 20 seconds for one server. */
export class DockerCredentials {
  readonly #read: () => Promise<DockerConfig>
  readonly #answers: LRUCache<string, { readonly credentials: Credentials | undefined }> = new LRUCache({
    max: MAX_ANSWERS,
    ttl: HELPER_MS,
  })
  readonly #flights = new SingleFlight<Credentials | undefined>()

  /** @param read throws UpstreamError CREDENTIALS_UNREADABLE */
  constructor(read: () => Promise<DockerConfig>) {
    this.#read = read
  }

  /** @param host as it is dialled, with its port */
  forHost(host: string): FindCredentials {
    return async path => {
      for (const place of placesFor(await this.#read(), host, path)) {
        const found = place.kind === 'file' ? place.credentials : await this.#ask(place.helper, place.server)
        if (found !== undefined) return found
      }
      return undefined
    }
  }

  async #ask(helper: string, server: string): Promise<Credentials | undefined> {
    const key = `${helper} ${server}`
    const known = this.#answers.get(key)
    if (known !== undefined) return known.credentials
    return this.#flights.run(key, async () => {
      const credentials = await askCredentialHelper(helper, server)
      this.#answers.set(key, { credentials })
      return credentials
    })
  }
}
