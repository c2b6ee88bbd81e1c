import { join } from 'node:path'
import { createAuthority } from '../../support/certificates.ts'
import { startBuildkitd } from './buildkitd.ts'
import { startDockerDaemon } from './clients.ts'
import { startContainerd } from './containerd.ts'
import type { Gate } from './gate.ts'
import type { LoginClient } from './login-client.ts'
import { loginClients } from './login-clients.ts'
import { privateHosts } from './private-hosts.ts'
import { findProgram, type Programs } from './programs.ts'
import type { Scene } from './scene.ts'

/** Daemons and clients that know names for the gate and trust an authority of the test's own. */
export type TlsMachine = {
  /** The authority's certificate, PEM. */
  readonly caFile: string
  /** The gate's certificate, for all of the names: the setting `tls`. */
  readonly tls: { readonly cert: string; readonly key: string }
  readonly inFrontOf: (gate: Gate) => Promise<{
    /** The clients as they reach the gate under a name: for all registries, with `registry` in the path, or for the one. */
    readonly reached: (name: string, registry?: string) => Promise<readonly LoginClient[]>
    /** Whether buildkitd is here, and so among the clients. */
    readonly hasBuildkitd: boolean
  }>
}

/** Starts containerd, dockerd and buildkitd, with a hosts file and an authority of their own. Needs root. */
export async function startTlsMachine(
  scene: Pick<Scene, 'directory' | 'also'>,
  programs: Programs,
  names: readonly string[],
): Promise<TlsMachine> {
  const { directory } = scene
  const authority = createAuthority(directory, 'ca')
  const certificate = authority.issue('gate', names)
  const withHosts = await privateHosts(directory, names)
  const containerd = await startContainerd(programs, join(directory, 'containerd'), withHosts)
  scene.also(containerd)
  const daemon = await startDockerDaemon(programs, join(directory, 'docker-of-names'), command =>
    withHosts({ ...command, env: { SSL_CERT_FILE: authority.file } }),
  )
  scene.also(daemon)

  return {
    caFile: authority.file,
    tls: { cert: certificate.certFile, key: certificate.keyFile },
    async inFrontOf(gate) {
      const port = gate.host.split(':')[1] ?? ''
      const hosts = names.map(name => `${name}:${port}`)
      const [buildkitd, buildctl] = [findProgram('buildkitd'), findProgram('buildctl')]
      const builder =
        buildkitd === undefined || buildctl === undefined
          ? undefined
          : await startBuildkitd(
              { buildkitd, buildctl },
              { directory: join(directory, 'buildkitd'), withHosts, hosts, caFile: authority.file },
            )
      if (builder !== undefined) scene.also(builder)
      return {
        hasBuildkitd: builder !== undefined,
        reached: async (name, registry) =>
          loginClients({
            programs,
            directory: join(directory, name),
            gate: `${name}:${port}`,
            path: registry === undefined ? '' : `${registry}/`,
            withHosts,
            caFile: authority.file,
            dockerSocket: daemon.socket,
            containerd,
            buildkitd: builder,
            registry: registry ?? `${name}:${port}`,
          }),
      }
    },
  }
}
