import { LRUCache } from 'lru-cache'
import type { AllowedHosts } from './allowed-hosts.ts'
import { parseChallenge, type Challenge } from './challenge.ts'
import { basicAuthorization, secretsOf, type Credentials, type FindCredentials } from './credentials/credentials.ts'
import type { Dial, DialAnswer, DialRequest } from './dial.ts'
import { formatComplaints } from './error-list.ts'
import { letGo } from './let-go.ts'
import { countedOf, RestPeriods } from './rest-periods.ts'
import { pathOf, TokenClient, type Access } from './token-client.ts'
import { retryAfterOf, statusError } from './status-error.ts'
import { UpstreamError } from './upstream-error.ts'

export type RegistryClientOptions = {
  readonly dial: Dial
  readonly hosts: AllowedHosts
  readonly credentials: FindCredentials
}

const MAX_SENT = 1000

/**
 * Requests to one registry with the credentials it wants: how it wants to be asked is remembered once it has said so,
 * and nothing of it is ever sent anywhere else.
 */
export class RegistryClient {
  readonly #options: RegistryClientOptions
  readonly #tokens: TokenClient
  readonly #rests: RestPeriods
  /** What has let a request in. A token is for one repository; where tokens come from is the registry's. */
  #challenge: Challenge | undefined
  readonly #basic = new LRUCache<string, string>({ max: MAX_SENT })
  /** What was sent last, by repository path, so that it can be kept out of what comes back. */
  readonly #sent = new LRUCache<string, string>({ max: MAX_SENT })
  readonly #shown = new LRUCache<string, Credentials>({ max: MAX_SENT })

  constructor(options: RegistryClientOptions) {
    this.#options = options
    this.#rests = new RestPeriods(options.hosts.upstream.host)
    this.#tokens = new TokenClient({ ...options, credentials: path => this.#credentials(path) })
  }

  /**
   * Sends a request to the registry itself. A 401 is answered once, unless the request carries a stream, which is gone by
   * then: such a request is only sent when it is known what the registry wants.
   *
   * @param access what the request is about to do
   * @throws UpstreamError
   */
  async send(access: Access, request: DialRequest): Promise<DialAnswer> {
    const counted = countedOf(request.url)
    this.#rests.mustBeOver(counted)
    try {
      const answer = await this.#send(access, request)
      if (answer.status === 429) this.#rests.begin(counted, retryAfterOf(answer))
      return answer
    } catch (error) {
      // The token server's word counts as well: nothing is had of the registry without it.
      if (error instanceof UpstreamError && error.code === 'RATE_LIMITED') {
        this.#rests.begin(counted, error.retryAfterSeconds)
      }
      throw error
    }
  }

  async #send(access: Access, request: DialRequest): Promise<DialAnswer> {
    const path = pathOf(access)
    const isStream = request.body !== undefined && !(request.body instanceof Uint8Array)
    if (isStream) await this.#probe(request.signal)
    const known = await this.#known(access)
    const first = await this.#options.dial.send(this.#authorized(request, path, known))
    if (first.status !== 401) return first
    if (isStream) throw await this.#unauthorized(first, request, path, known)
    letGo(first.body)
    const challenge = parseChallenge(first.header('www-authenticate'))
    const fresh = await this.#authorize(challenge, access, known)
    const second = await this.#options.dial.send(this.#authorized(request, path, fresh))
    if (second.status === 401) throw await this.#unauthorized(second, request, path, fresh)
    this.#challenge = challenge
    return second
  }

  /** Asks what the registry wants, if nothing has told yet. distribution-spec 1.1, "Determining Support". */
  async #probe(signal: AbortSignal): Promise<void> {
    if (this.#challenge !== undefined) return
    const url = new URL('/v2/', this.#options.hosts.upstream)
    const answer = await this.#options.dial.send({ method: 'GET', url, headers: {}, signal })
    letGo(answer.body)
    if (answer.status === 401) this.#challenge = parseChallenge(answer.header('www-authenticate'))
  }

  /** What the registry's own refusal of a request means, without what it was sent (section 7.7). */
  async refusal(repositoryPath: string, answer: DialAnswer, what: string): Promise<UpstreamError> {
    const secrets = this.#secretsOf(repositoryPath, this.#sent.get(repositoryPath))
    return statusError(answer, { host: this.#options.hosts.upstream.host, what, secrets })
  }

  async #unauthorized(
    answer: DialAnswer,
    { url }: DialRequest,
    path: string,
    authorization: string | undefined,
  ): Promise<UpstreamError> {
    const secrets = this.#secretsOf(path, authorization)
    const refused = await statusError(answer, { host: url.host, what: 'the credentials it is given', secrets })
    const { status, complaints } = refused
    const message = `${url.host} does not accept the credentials it is given${formatComplaints(complaints)}`
    return new UpstreamError('UNAUTHORIZED', message, { status, complaints })
  }

  #secretsOf(path: string, authorization: string | undefined): readonly string[] {
    const sent = authorization === undefined ? [] : [authorization.replace(/^\S+ /, '')]
    return [...sent, ...secretsOf(this.#shown.get(path))]
  }

  async #credentials(path: string): Promise<Credentials | undefined> {
    const found = await this.#options.credentials(path)
    if (found !== undefined) this.#shown.set(path, found)
    return found
  }

  /** Without asking the registry again: a token is asked for anew only when its time is over (case 168). */
  async #known(access: Access): Promise<string | undefined> {
    const challenge = this.#challenge
    switch (challenge?.scheme) {
      case 'bearer':
        return this.#authorize(challenge, access, undefined)
      case 'basic':
        return this.#basic.get(pathOf(access)) ?? this.#authorize(challenge, access, undefined)
      case undefined:
        return undefined
    }
  }

  async #authorize(challenge: Challenge | undefined, access: Access, refused: string | undefined): Promise<string> {
    const { hosts } = this.#options
    switch (challenge?.scheme) {
      case 'bearer':
        return `Bearer ${await this.#tokens.token(challenge, access, refused?.replace(/^Bearer /, ''))}`
      case 'basic': {
        const found = await this.#credentials(pathOf(access))
        if (found?.kind !== 'password') {
          const given = found === undefined ? 'none is configured' : 'an identity token is all that is configured'
          throw new UpstreamError('UNAUTHORIZED', `${hosts.upstream.host} wants a user and password, and ${given}`)
        }
        const basic = basicAuthorization(found)
        this.#basic.set(pathOf(access), basic)
        return basic
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
