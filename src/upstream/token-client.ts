import { LRUCache } from 'lru-cache'
import { SingleFlight } from '../cache/single-flight.ts'
import { mayAskForTokens, type AllowedHosts } from './allowed-hosts.ts'
import { readBounded } from './bounded-body.ts'
import type { Challenge } from './challenge.ts'
import { basicAuthorization, secretsOf, type Credentials, type FindCredentials } from './credentials/credentials.ts'
import { dialError, type Dial, type DialAnswer, type DialRequest } from './dial.ts'
import { formatComplaints } from './error-list.ts'
import { statusError } from './status-error.ts'
import { UpstreamError } from './upstream-error.ts'

/**
 * What a request is about to do: all that its token may be good for. Paths as the upstream calls them; `login`: to be let in,
 * and nothing more.
 */
export type Access = RepositoryAccess | 'login'

export type RepositoryAccess = {
  readonly path: string
  readonly actions: 'pull' | 'pull,push' | 'delete'
  /** The repository that a blob is mounted from. */
  readonly mountFrom?: string | undefined
}

export type TokenClientOptions = {
  readonly dial: Dial
  readonly hosts: AllowedHosts
  readonly credentials: FindCredentials
}

const MAX_TOKEN_BYTES = 1024 * 1024
const MAX_TOKENS = 1000
/** distribution's token spec: a token without expires_in lives 60 seconds. */
const DEFAULT_SECONDS = 60
const MAX_SECONDS = 3600
const SLACK_SECONDS = 10
const TIMEOUT_MS = 15_000
const CLIENT_ID = 'sealgate'

/**
 * Tokens for one upstream. The scope asked for follows from the request, whatever the challenge says; a token is
 * kept for its realm, service and scope, and never beyond an hour (cases 167, 168).
 */
export class TokenClient {
  readonly #options: TokenClientOptions
  readonly #tokens: LRUCache<string, string> = new LRUCache({ max: MAX_TOKENS })
  readonly #flights = new SingleFlight<string>()

  constructor(options: TokenClientOptions) {
    this.#options = options
  }

  /** @throws UpstreamError BLOCKED if the realm is not one that may be asked */
  async token(
    challenge: Extract<Challenge, { scheme: 'bearer' }>,
    access: Access,
    stale: string | undefined,
  ): Promise<string> {
    const url = this.#tokenUrl(challenge, access)
    const known = this.#tokens.get(url.href)
    if (known !== undefined && known !== stale) return known
    return this.#flights.run(url.href, () => this.#fetch(url, pathOf(access)))
  }

  #tokenUrl({ realm, service }: Extract<Challenge, { scheme: 'bearer' }>, access: Access): URL {
    const url = URL.parse(realm)
    const { hosts } = this.#options
    if (url === null || !mayAskForTokens(url, hosts)) {
      const name = url === null ? 'no URL' : url.host
      throw new UpstreamError(
        'BLOCKED',
        `${hosts.upstream.host} wants a token from ${name}, which is not among its tokenHosts`,
      )
    }
    if (service !== undefined) url.searchParams.set('service', service)
    // Set and not added: a scope in the realm itself would be the challenger's wish.
    if (access === 'login') url.searchParams.delete('scope')
    else url.searchParams.set('scope', scopeOf(access.path, access.actions))
    if (access !== 'login' && access.mountFrom !== undefined)
      url.searchParams.append('scope', scopeOf(access.mountFrom, 'pull'))
    url.hash = ''
    return url
  }

  /** Its time is its own: whoever asked first may hang up, and others wait for the same token. */
  async #fetch(url: URL, path: string): Promise<string> {
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    const credentials = await this.#options.credentials(path)
    const answer = await this.#options.dial.send({ ...tokenRequest(url, credentials), signal })
    if (answer.status !== 200) throw await tokenRefusal(answer, url, credentials)
    const bytes = await readBounded(answer.body, MAX_TOKEN_BYTES, 'the token').catch((error: unknown) => {
      throw dialError(error, url)
    })
    const { token, seconds } = parseToken(bytes, url)
    this.#tokens.set(url.href, token, { ttl: Math.max(seconds - SLACK_SECONDS, 1) * 1000 })
    return token
  }
}

/** By GET, as everybody; an identity token is exchanged by POST, as OAuth 2 has it. distribution, "spec/auth/oauth". */
function tokenRequest(url: URL, credentials: Credentials | undefined): Omit<DialRequest, 'signal'> {
  const headers = { accept: 'application/json', 'accept-encoding': 'identity' }
  switch (credentials?.kind) {
    case 'password':
      return { method: 'GET', url, headers: { ...headers, authorization: basicAuthorization(credentials) } }
    case 'identity-token': {
      const form = new URLSearchParams([
        ['grant_type', 'refresh_token'],
        ['client_id', CLIENT_ID],
        ['refresh_token', credentials.token],
        ['service', url.searchParams.get('service') ?? ''],
        ['scope', url.searchParams.getAll('scope').join(' ')],
      ])
      const to = new URL(url)
      to.search = ''
      return {
        method: 'POST',
        url: to,
        headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' },
        body: Buffer.from(form.toString()),
      }
    }
    case undefined:
      return { method: 'GET', url, headers }
  }
}

/** Of a repository, as the upstream calls it; empty, as none can be, where none is meant. */
export function pathOf(access: Access): string {
  return access === 'login' ? '' : access.path
}

function scopeOf(path: string, actions: RepositoryAccess['actions']): string {
  return `repository:${path}:${actions}`
}

/** A token host that is out of order says nothing about the credentials; only 401 and 403 do (case 203). */
async function tokenRefusal(
  answer: DialAnswer,
  url: URL,
  credentials: Credentials | undefined,
): Promise<UpstreamError> {
  const { code, status, complaints, retryAfterSeconds } = await statusError(answer, {
    host: url.host,
    what: 'a token',
    secrets: secretsOf(credentials),
  })
  return new UpstreamError(
    code === 'FORBIDDEN' ? 'UNAUTHORIZED' : code === 'BAD_ANSWER' ? 'SERVER_ERROR' : code,
    `${url.host} gave no token (status ${answer.status})${formatComplaints(complaints)}`,
    { status, complaints, retryAfterSeconds },
  )
}

function parseToken(bytes: Uint8Array, url: URL): { readonly token: string; readonly seconds: number } {
  let answer: unknown
  try {
    answer = JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch (cause) {
    throw new UpstreamError('BAD_ANSWER', `${url.host} sent a token that is no JSON`, { cause })
  }
  const fields: Readonly<Record<string, unknown>> = typeof answer === 'object' && answer !== null ? { ...answer } : {}
  const { token, access_token: accessToken, expires_in: expiresIn } = fields
  const text = typeof token === 'string' && token !== '' ? token : accessToken
  // Header syntax: a token with anything else in it would be another header's beginning (case 162).
  if (typeof text !== 'string' || !/^[\x21-\x7e]+$/.test(text)) {
    throw new UpstreamError('BAD_ANSWER', `${url.host} sent no usable token`)
  }
  const seconds = typeof expiresIn === 'number' && Number.isFinite(expiresIn) ? expiresIn : DEFAULT_SECONDS
  return { token: text, seconds: Math.min(Math.max(seconds, DEFAULT_SECONDS), MAX_SECONDS) }
}
