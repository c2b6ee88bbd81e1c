/** Where the gate is, as a node reaches it. `caPath` is a path on the node. */
export type GateAddress = { readonly host: string; readonly tls: boolean; readonly caPath?: string | undefined }

export type ClientConfigInput = {
  /** Registry hosts as images are named by them: docker.io, quay.io, registry.example:5000. */
  readonly registries: readonly string[]
  readonly gate: GateAddress
  readonly clientVersion?: string | undefined
}

/** A file for the node; `path` is absolute there. */
export type NodeFile = { readonly path: string; readonly content: string }

/**
 * What closes a client. `closedBy: 'files'`: with these files it does not fall back to the origin. `closedBy: 'egress'`:
 * no file closes it; only the firewall does.
 */
export type ClientConfig = {
  readonly closedBy: 'files' | 'egress'
  readonly files: readonly NodeFile[]
  readonly notes: readonly string[]
}

export function gateUrl({ host, tls }: GateAddress): string {
  return `${tls ? 'https' : 'http'}://${host}`
}

/** The number before the first dot of a version such as `29.1.0` or `v2.1`; undefined where there is none. */
export function majorVersion(version: string | undefined): number | undefined {
  const digits = /^v?(\d+)/.exec(version ?? '')?.[1]
  return digits === undefined ? undefined : Number(digits)
}

/** The hosts that a firewall has to keep a node from, so that nothing goes round the gate. */
export function egressHosts(registries: readonly string[]): readonly string[] {
  const dockerHub = ['registry-1.docker.io', 'auth.docker.io', 'production.cloudflare.docker.com']
  return registries.flatMap(host => (host === 'docker.io' ? dockerHub : [host]))
}
