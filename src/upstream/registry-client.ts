import type { AllowedHosts } from './allowed-hosts.ts'
import { parseChallenge } from './challenge.ts'
import type { Dial, DialAnswer, DialRequest } from './dial.ts'
import { basicAuthorization, TokenClient, type Credentials } from './token-client.ts'
import { UpstreamError } from './upstream-error.ts'

export type RegistryClientOptions = {
  readonly dial: Dial
  readonly hosts: AllowedHosts
  readonly credentials: () => Promise<Credentials | undefined>
}

const MAX_RETRY_AFTER_SECONDS = 3600

/** Requests to one registry with the credentials it wants: asked for once, remembered, and never sent anywhere else. */
export class RegistryClient {
  readonly #options: RegistryClientOptions
  readonly #tokens: TokenClient
  /** How this registry wants to be asked, once it has said so; by repository path, since tokens are for one. */
  readonly #authorizations = new Map<string, string>()

  constructor(options: RegistryClientOptions) {
    this.#options = options
    this.#tokens = new TokenClient(options)
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
      second.body.destroy()
      throw new UpstreamError('UNAUTHORIZED', `${request.url.host} does not accept the credentials it is given`)
    }
    this.#remember(repositoryPath, fresh)
    return second
  }

  async #authorize(answer: DialAnswer, repositoryPath: string, remembered: string | undefined): Promise<string> {
    const { hosts, credentials } = this.#options
    const challenge = parseChallenge(answer.header('www-authenticate'))
    switch (challenge?.scheme) {
      case 'bearer': {
        const token = await this.#tokens.token(challenge, repositoryPath, remembered?.replace(/^Bearer /, ''))
        return `Bearer ${token}`
      }
      case 'basic': {
        const configured = await credentials()
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

/**
 * What an unwanted status means. The body is not read: what it says is the upstream's business, not our client's.
 *
 * @param what the thing that was asked for
 */
export function statusError(answer: DialAnswer, host: string, what: string): UpstreamError {
  answer.body.destroy()
  const { status } = answer
  const said = `${host} answered ${status} for ${what}`
  if (status === 401) return new UpstreamError('UNAUTHORIZED', said)
  if (status === 403) return new UpstreamError('FORBIDDEN', said)
  if (status === 429) {
    return new UpstreamError('RATE_LIMITED', said, { retryAfterSeconds: retryAfterOf(answer) })
  }
  if (status >= 500) return new UpstreamError('SERVER_ERROR', said, { retryAfterSeconds: retryAfterOf(answer) })
  return new UpstreamError('BAD_ANSWER', said)
}

/** Retry-After in seconds, bounded; its date form is not worth reading. */
function retryAfterOf(answer: DialAnswer): number | undefined {
  const text = answer.header('retry-after')
  return text !== undefined && /^[0-9]{1,6}$/.test(text) ? Math.min(Number(text), MAX_RETRY_AFTER_SECONDS) : undefined
}
