/**
 * Hosts that an upstream may point at, beside its own: for tokens and for blobs. Everything else needs a line in the
 * configuration, for a registry's answer must not choose what is dialled (section 7.6) or where credentials go (7.7).
 */
export type AllowedHosts = {
  readonly upstream: URL
  readonly tokenHosts: readonly string[]
  readonly redirectHosts: readonly string[]
}

type Known = { readonly tokens: readonly string[]; readonly blobs: readonly string[] }

/** What public registries are documented to use, by the host they are dialled at. */
const WELL_KNOWN: ReadonlyMap<string, Known> = new Map([
  [
    'registry-1.docker.io',
    {
      tokens: ['auth.docker.io'],
      blobs: [
        'production.cloudflare.docker.com',
        'production.cloudfront.docker.com',
        'docker-images-prod.6aa30f8b08e16409b46e0173d6de2f56.r2.cloudflarestorage.com',
      ],
    },
  ],
  ['ghcr.io', { tokens: [], blobs: ['pkg-containers.githubusercontent.com'] }],
  [
    'quay.io',
    { tokens: [], blobs: ['cdn', 'cdn01', 'cdn02', 'cdn03', 'cdn04', 'cdn05', 'cdn06'].map(name => `${name}.quay.io`) },
  ],
  ['registry.gitlab.com', { tokens: ['gitlab.com'], blobs: ['cdn.registry.gitlab-static.net'] }],
])

/** Whether a token realm may be asked, with credentials. Plain HTTP only where the upstream itself is (case 154). */
export function mayAskForTokens(realm: URL, hosts: AllowedHosts): boolean {
  return isAllowed(realm, hosts, [...hosts.tokenHosts, ...(WELL_KNOWN.get(hosts.upstream.host)?.tokens ?? [])])
}

/** Whether a blob may be fetched from where the upstream redirects to, without credentials (case 157). */
export function mayRedirectTo(location: URL, hosts: AllowedHosts): boolean {
  return isAllowed(location, hosts, [...hosts.redirectHosts, ...(WELL_KNOWN.get(hosts.upstream.host)?.blobs ?? [])])
}

function isAllowed(url: URL, { upstream }: AllowedHosts, listed: readonly string[]): boolean {
  if (url.username !== '' || url.password !== '') return false
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && upstream.protocol === 'http:')) return false
  return url.host === upstream.host || listed.includes(url.host)
}
