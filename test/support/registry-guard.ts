import type { Script } from './evil-registry.ts'

export type GuardUser = { readonly username: string; readonly password: string }

function basicOf({ username, password }: GuardUser): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

/** Lets in who sends this user and password, as htpasswd does. */
export function basicGuard(user: GuardUser): Script {
  return (request, response) => {
    if (request.headers.authorization === basicOf(user)) return false
    response.writeHead(401, { 'www-authenticate': 'Basic realm="registry"' }).end()
    return true
  }
}

export type TokenGuard = {
  readonly guard: Script
  /** Each token handed out, in order: the scope asked for, and whether a user's password came with it. */
  readonly issued: { readonly token: string; readonly scope: string; readonly authorized: boolean }[]
  /** Tokens given so far are no longer good. */
  readonly forget: () => void
}

/**
 * distribution's token authentication, with the token endpoint at `/token` of the registry itself. Without `user`,
 * anybody gets a token; with one, only who sends its password.
 */
export function tokenGuard({
  url,
  user,
  expiresIn = 300,
  challengedScope = 'repository:*:*',
}: {
  readonly url: string
  readonly user?: GuardUser
  readonly expiresIn?: unknown
  readonly challengedScope?: string
}): TokenGuard {
  const issued: { token: string; scope: string; authorized: boolean }[] = []
  let good = new Map<string, string>()
  const guard: Script = (request, response) => {
    const target = new URL(request.url ?? '', url)
    if (target.pathname === '/token') {
      if (user !== undefined && request.headers.authorization !== basicOf(user)) {
        response.writeHead(401).end('{"errors":[{"code":"UNAUTHORIZED"}]}')
        return true
      }
      const scope = target.searchParams.get('scope') ?? ''
      const token = `token-${issued.length + 1}`
      issued.push({ token, scope, authorized: request.headers.authorization !== undefined })
      good.set(`Bearer ${token}`, scope)
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ token, expires_in: expiresIn }))
      return true
    }
    const [, repository] = /^\/v2\/(.+)\/(?:manifests|blobs|tags|referrers)\//.exec(target.pathname) ?? []
    if (good.get(request.headers.authorization ?? '') === `repository:${repository}:pull`) return false
    const challenge = `Bearer realm="${url}/token",service="registry",scope="${challengedScope}"`
    response.writeHead(401, { 'www-authenticate': challenge }).end()
    return true
  }
  return { guard, issued, forget: () => void (good = new Map()) }
}
