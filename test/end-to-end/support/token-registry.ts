import { createPrivateKey, randomUUID, sign, X509Certificate } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { createAuthority } from '../../support/certificates.ts'
import { answers, freePort, startServer, type Server } from './processes.ts'
import type { Programs } from './programs.ts'
import type { Registry } from './registry.ts'

/** Whom the token server gives tokens, and for which repositories. */
export type TokenUser = {
  readonly username: string
  readonly password: string
  readonly sees: (repository: string) => boolean
}

/** The one whom it knows unless it is told of others; may see everything. */
export const READER = { username: 'reader', password: 'read, do not write' } as const

export interface TokenRegistry extends Registry {
  /** host:port of the token server. */
  readonly tokenHost: string
  /** The scopes that tokens were given for, in order. */
  readonly scopes: readonly string[]
}

/**
 * A second docker-registry on the same storage, which wants tokens: distribution's token authentication, with a token server
 * of the test's own on a port of its own. Only its users get tokens, to pull, that are good for as little as a minute.
 */
export async function startTokenRegistry(
  programs: Pick<Programs, 'registry'>,
  {
    directory,
    data,
    users = [{ ...READER, sees: () => true }],
  }: { readonly directory: string; readonly data: string; readonly users?: readonly TokenUser[] },
): Promise<TokenRegistry> {
  await mkdir(directory, { recursive: true })
  const authority = createAuthority(directory, 'token-ca')
  const signer = authority.issue('token-signer')
  const scopes: string[] = []
  const tokenHost = `127.0.0.1:${await freePort()}`
  const service = 'registry of the test'
  const certificate = new X509Certificate(await readFile(signer.certFile))
  const key = createPrivateKey(signer.key)

  const tokens = createServer((request, response) => {
    const url = new URL(request.url ?? '', `http://${tokenHost}`)
    const user = users.find(
      ({ username, password }) =>
        request.headers.authorization === `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`,
    )
    if (user === undefined || url.searchParams.get('service') !== service) {
      response.writeHead(401).end('{"errors":[{"code":"UNAUTHORIZED","message":"not a user"}]}')
      return
    }
    const access = url.searchParams.getAll('scope').map(scope => {
      scopes.push(scope)
      const [, type, name, actions = ''] = /^(\w+):(.+):([\w,]+)$/.exec(scope) ?? []
      const given = user.sees(name ?? '') ? actions.split(',').filter(action => action === 'pull') : []
      return { type, name, actions: given }
    })
    const now = Math.floor(Date.now() / 1000)
    const times = { iat: now, nbf: now - 10, exp: now + 60 }
    const claims = { iss: 'test', sub: user.username, aud: service, jti: randomUUID(), ...times, access }
    const header = { typ: 'JWT', alg: 'ES256', x5c: [certificate.raw.toString('base64')] }
    const body = [header, claims].map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
    const signature = sign('sha256', Buffer.from(body), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ token: `${body}.${signature}`, expires_in: 60 }))
  })
  await new Promise<void>(resolve => tokens.listen(Number(tokenHost.split(':')[1]), '127.0.0.1', resolve))

  const host = `127.0.0.1:${await freePort()}`
  const file = join(directory, 'registry.yml')
  const auth = {
    token: { realm: `http://${tokenHost}/token`, service, issuer: 'test', rootcertbundle: authority.file },
  }
  // JSON is YAML too.
  const storage = { filesystem: { rootdirectory: data } }
  await writeFile(file, JSON.stringify({ version: '0.1', log: { level: 'info' }, storage, http: { addr: host }, auth }))
  const server: Server = await startServer({
    program: programs.registry,
    args: ['serve', file],
    logFile: join(directory, 'registry.log'),
    isReady: async () => answers(`http://${host}/v2/`, 401),
  })
  const stop = async (): Promise<void> => {
    tokens.closeAllConnections()
    tokens.close()
    await server.stop()
  }
  return { ...server, stop, host, data, tokenHost, scopes }
}
