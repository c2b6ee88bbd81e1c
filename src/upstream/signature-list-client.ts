import type { Digest } from '../reference/digest.ts'
import type { Repository } from '../reference/repository.ts'
import type { DialAnswer } from './dial.ts'
import { letGo } from './let-go.ts'

export type SignatureListOptions = {
  readonly get: (repository: Repository, path: string, signal: AbortSignal) => Promise<DialAnswer>
  /** The whole body; undefined for 404. */
  readonly read: (repository: Repository, answer: DialAnswer) => Promise<Uint8Array | undefined>
  /** The repository as the upstream calls it. */
  readonly pathOf: (repository: Repository) => string
}

const HEADER = 'x-registry-supports-signatures'

/** OpenShift's signature extension: asked only where `GET /v2/` says that the registry has it. */
export class SignatureListClient {
  readonly #options: SignatureListOptions
  #supported: Promise<boolean> | undefined

  constructor(options: SignatureListOptions) {
    this.#options = options
  }

  async find(repository: Repository, digest: Digest, signal: AbortSignal): Promise<Uint8Array | undefined> {
    // A failed question is asked again the next time.
    this.#supported ??= this.#probe(repository, signal).catch((error: unknown) => {
      this.#supported = undefined
      throw error
    })
    if (!(await this.#supported)) return undefined
    const path = `/extensions/v2/${this.#options.pathOf(repository)}/signatures/${digest}`
    return this.#options.read(repository, await this.#options.get(repository, path, signal))
  }

  async #probe(repository: Repository, signal: AbortSignal): Promise<boolean> {
    const answer = await this.#options.get(repository, '/v2/', signal)
    letGo(answer.body)
    return answer.header(HEADER)?.trim() === '1'
  }
}
