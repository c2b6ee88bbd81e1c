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

export type UserOf = GuardUser & {
  /** The repositories that this user may see. */
  readonly sees: readonly string[]
}

/**
 * A registry with several users, each with repositories of their own, by basic or by token authentication (the token
 * endpoint is at `/token` of the registry itself). What is in `open` anybody may see.
 */
export function usersGuard(
  kind: 'basic' | 'token',
  {
    url,
    users,
    open = [],
  }: { readonly url: string; readonly users: readonly UserOf[]; readonly open?: readonly string[] },
): Script {
  const granted = new Map<string, (repository: string) => boolean>()
  const userOf = (authorization: string | undefined): UserOf | undefined =>
    users.find(user => basicOf(user) === authorization)
  return (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', url)
    const { authorization } = request.headers
    const refuse = (status: 401 | 403): true => {
      const challenge = kind === 'basic' ? 'Basic realm="registry"' : `Bearer realm="${url}/token",service="registry"`
      response.writeHead(status, { 'www-authenticate': challenge }).end('{"errors":[{"code":"UNAUTHORIZED"}]}')
      return true
    }
    if (kind === 'token' && pathname === '/token') {
      const user = userOf(authorization)
      if (user === undefined && authorization !== undefined) return refuse(401)
      const token = `token-${granted.size + 1}`
      const scoped = (searchParams.get('scope') ?? '').split(':')[1] ?? ''
      granted.set(
        `Bearer ${token}`,
        repository =>
          repository === '' || (repository === scoped && [...open, ...(user?.sees ?? [])].includes(repository)),
      )
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ token }))
      return true
    }
    const repository = /^\/v2\/(.+)\/(?:manifests|blobs|tags|referrers)\//.exec(pathname)?.[1] ?? ''
    if (kind === 'token') return granted.get(authorization ?? '')?.(repository) === true ? false : refuse(401)
    if (open.includes(repository)) return false
    const user = userOf(authorization)
    if (user === undefined) return refuse(401)
    return repository === '' || user.sees.includes(repository) ? false : refuse(403)
  }
}
