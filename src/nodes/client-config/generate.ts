import { buildkitConfig } from './buildkit.ts'
import type { ClientConfig, ClientConfigInput } from './client-config.ts'
import { containerdConfig } from './containerd.ts'
import { containersConfig } from './containers.ts'
import { dockerConfig } from './docker.ts'
import { k3sConfig } from './k3s.ts'

export const CLIENTS = ['docker', 'containerd', 'podman', 'crio', 'k3s', 'buildkit'] as const
export type ClientName = (typeof CLIENTS)[number]

export function clientConfig(client: ClientName, input: ClientConfigInput): ClientConfig {
  switch (client) {
    case 'docker':
      return dockerConfig(input)
    case 'containerd':
      return containerdConfig(input)
    case 'podman':
    case 'crio':
      return containersConfig(input)
    case 'k3s':
      return k3sConfig(input)
    case 'buildkit':
      return buildkitConfig(input)
  }
}
