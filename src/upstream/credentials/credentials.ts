/** What a registry is shown so that it lets a request in. */
export type Credentials =
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  /** A refresh token of OAuth 2: good for asking a token server, and for nothing else. */
  | { readonly kind: 'identity-token'; readonly token: string }

/**
 * Looks credentials up, anew each time.
 *
 * @param path the repository's, as the upstream calls it
 * @returns undefined where there are none: the registry is asked without
 * @throws UpstreamError CREDENTIALS_UNREADABLE
 */
export type FindCredentials = (path: string) => Promise<Credentials | undefined>

export function basicAuthorization({ username, password }: Extract<Credentials, { kind: 'password' }>): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

/** What must not come back out of a registry's words (section 7.7). */
export function secretsOf(credentials: Credentials | undefined): readonly string[] {
  switch (credentials?.kind) {
    case 'password':
      return [basicAuthorization(credentials).slice('Basic '.length), credentials.password]
    case 'identity-token':
      return [credentials.token]
    case undefined:
      return []
  }
}
