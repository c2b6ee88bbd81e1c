import { LRUCache } from 'lru-cache'
import type { AllowedHosts } from './allowed-hosts.ts'
import { parseChallenge, type Challenge } from './challenge.ts'
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

const MAX_SENT = 1000

/**
 * Requests to one registry with the credentials it wants: how it wants to be asked is remembered once it has said so,
 * and nothing of it is ever sent anywhere else.
 */
export class RegistryClient {
  readonly #options: RegistryClientOptions
  readonly #tokens: TokenClient
  /** What has let a request in. A token is for one repository; where tokens come from is the registry's. */
  #challenge: Challenge | undefined
  #basic: string | undefined
  /** What was sent last, by repository path, so that it can be kept out of what comes back. */
  readonly #sent = new LRUCache<string, string>({ max: MAX_SENT })
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
    const known = await this.#known(repositoryPath)
    const first = await this.#options.dial.send(this.#authorized(request, repositoryPath, known))
    if (first.status !== 401) return first
    first.body.destroy()
    const challenge = parseChallenge(first.header('www-authenticate'))
    const fresh = await this.#authorize(challenge, repositoryPath, known)
    const second = await this.#options.dial.send(this.#authorized(request, repositoryPath, fresh))
    if (second.status === 401) throw await this.#unauthorized(second, request, fresh)
    this.#challenge = challenge
    return second
  }

  /** What the registry's own refusal of a request means, without what it was sent (section 7.7). */
  async refusal(repositoryPath: string, answer: DialAnswer, what: string): Promise<UpstreamError> {
    const secrets = this.#secretsOf(this.#sent.get(repositoryPath))
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

  /** Without asking the registry again: a token is asked for anew only when its time is over (case 168). */
  async #known(repositoryPath: string): Promise<string | undefined> {
    const challenge = this.#challenge
    switch (challenge?.scheme) {
      case 'bearer':
        return this.#authorize(challenge, repositoryPath, undefined)
      case 'basic':
        return this.#basic
      case undefined:
        return undefined
    }
  }

  async #authorize(
    challenge: Challenge | undefined,
    repositoryPath: string,
    refused: string | undefined,
  ): Promise<string> {
    const { hosts } = this.#options
    switch (challenge?.scheme) {
      case 'bearer':
        return `Bearer ${await this.#tokens.token(challenge, repositoryPath, refused?.replace(/^Bearer /, ''))}`
      case 'basic': {
        const configured = await this.#credentials()
        if (configured === undefined) {
          throw new UpstreamError(
            'UNAUTHORIZED',
            `${hosts.upstream.host} wants a user and password, and none is configured`,
          )
        }
        this.#basic = basicAuthorization(configured)
        return this.#basic
      }
      case undefined:
        throw new UpstreamError('UNAUTHORIZED', `${hosts.upstream.host} refuses without saying what it wants`)
    }
  }

  #authorized(request: DialRequest, repositoryPath: string, authorization: string | undefined): DialRequest {
    if (authorization === undefined) return request
    this.#sent.set(repositoryPath, authorization)
    return { ...request, headers: { ...request.headers, authorization } }
  }
}
