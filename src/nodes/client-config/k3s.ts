import { stringify } from 'yaml'
import { gateUrl, type ClientConfig, type ClientConfigInput } from './client-config.ts'

/** k3s (RKE2: the same under /etc/rancher/rke2). */
export function k3sConfig({ registries, gate }: ClientConfigInput): ClientConfig {
  const endpoint = [gateUrl(gate)]
  const mirrors = Object.fromEntries([...registries, '*'].map(host => [host, { endpoint }]))
  const configs = gate.caPath === undefined ? {} : { configs: { [gate.host]: { tls: { ca_file: gate.caPath } } } }
  return {
    closedBy: 'files',
    files: [
      {
        path: '/etc/rancher/k3s/registries.yaml',
        content: `# "*" stands for every registry that is not named.\n${stringify({ mirrors, ...configs })}`,
      },
      {
        path: '/etc/rancher/k3s/config.yaml',
        content:
          '# Merge. Without it k3s adds the origin after the endpoints.\ndisable-default-registry-endpoint: true\n',
      },
    ],
    notes: [
      'Restart k3s on every node. The setting holds only for registries that registries.yaml names, "*" included.',
    ],
  }
}
