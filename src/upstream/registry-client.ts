import type { AllowedHosts } from './allowed-hosts.ts'
import { parseChallenge } from './challenge.ts'
import type { Dial, DialAnswer, DialRequest } from './dial.ts'
import { formatComplaints } from './error-list.ts'
import { basicAuthorization, TokenClient, type Credentials } from './token-client.ts'
import { statusError } from './status-error.ts'
import { UpstreamError } from './upstream-error.ts'

export type RegistryClientOptions = {
  readonly dial: Dial
  readonly hosts: AllowedHosts
  readonly credentials: () => Promise<Credentials | undefined>
}

/** Requests to one registry with the credentials it wants: asked for once, remembered, and never sent anywhere else. */
export class RegistryClient {
  readonly #options: RegistryClientOptions
  readonly #tokens: TokenClient
  /** How this registry wants to be asked, once it has said so; by repository path, since tokens are for one. */
  readonly #authorizations = new Map<string, string>()
  /** The password as it was last sent, so that it can be kept out of what comes back. */
  #password: string | undefined

  constructor(options: RegistryClientOptions) {
    this.#options = options
    this.#tokens = new TokenClient({ ...options, credentials: () => this.#credentials() })
  }

  /**
   * Sends a request to the registry itself. A 401 is answered once.
   *
   * @param repositoryPath as the upstream calls it
   * @throws UpstreamError
   */
  async send(repositoryPath: string, request: DialRequest): Promise<DialAnswer> {
    const remembered = this.#authorizations.get(repositoryPath)
    const first = await this.#options.dial.send(withAuthorization(request, remembered))
    if (first.status !== 401) return first
    first.body.destroy()
    const fresh = await this.#authorize(first, repositoryPath, remembered)
    const second = await this.#options.dial.send(withAuthorization(request, fresh))
    if (second.status === 401) {
      this.#authorizations.delete(repositoryPath)
      throw await this.#unauthorized(second, request, fresh)
    }
    this.#remember(repositoryPath, fresh)
    return second
  }

  /** What the registry's own refusal of a request means, without what it was sent (section 7.7). */
  async refusal(repositoryPath: string, answer: DialAnswer, what: string): Promise<UpstreamError> {
    const secrets = this.#secretsOf(this.#authorizations.get(repositoryPath))
    return statusError(answer, { host: this.#options.hosts.upstream.host, what, secrets })
  }

  async #unauthorized(answer: DialAnswer, { url }: DialRequest, authorization: string): Promise<UpstreamError> {
    const secrets = this.#secretsOf(authorization)
    const refused = await statusError(answer, { host: url.host, what: 'the credentials it is given', secrets })
    const { status, complaints } = refused
    const message = `${url.host} does not accept the credentials it is given${formatComplaints(complaints)}`
    return new UpstreamError('UNAUTHORIZED', message, { status, complaints })
  }

  #secretsOf(authorization: string | undefined): readonly string[] {
    return [authorization?.replace(/^\S+ /, ''), this.#password].filter(secret => secret !== undefined)
  }

  async #credentials(): Promise<Credentials | undefined> {
    const configured = await this.#options.credentials()
    this.#password = configured?.password ?? this.#password
    return configured
  }

  async #authorize(answer: DialAnswer, repositoryPath: string, remembered: string | undefined): Promise<string> {
    const { hosts } = this.#options
    const challenge = parseChallenge(answer.header('www-authenticate'))
    switch (challenge?.scheme) {
      case 'bearer': {
        const token = await this.#tokens.token(challenge, repositoryPath, remembered?.replace(/^Bearer /, ''))
        return `Bearer ${token}`
      }
      case 'basic': {
        const configured = await this.#credentials()
        if (configured !== undefined) return basicAuthorization(configured)
        throw new UpstreamError(
          'UNAUTHORIZED',
          `${hosts.upstream.host} wants a user and password, and none is configured`,
        )
      }
      case undefined:
        throw new UpstreamError('UNAUTHORIZED', `${hosts.upstream.host} refuses without saying what it wants`)
    }
  }

  #remember(repositoryPath: string, authorization: string): void {
    if (this.#authorizations.size >= 1000) this.#authorizations.clear()
    this.#authorizations.set(repositoryPath, authorization)
  }
}

function withAuthorization(request: DialRequest, authorization: string | undefined): DialRequest {
  return authorization === undefined ? request : { ...request, headers: { ...request.headers, authorization } }
}
