import { gateUrl, type ClientConfigInput, type NodeFile } from './client-config.ts'

/**
 * hosts.toml for each registry and `_default` for every other. `server` is the gate, since containerd goes on to it after a
 * refusal; the host block is there too, since containerd up to 1.7.31 drops a file without one and asks the origin
 * (containerd#10027).
 */
export function hostsTomlFiles(directory: string, { registries, gate }: ClientConfigInput): readonly NodeFile[] {
  const url = JSON.stringify(gateUrl(gate))
  // Before the first table it is the server's: without it the gate's refusal is followed by an x509 error from the same gate.
  const ca = gate.caPath === undefined ? [] : [`ca = ${JSON.stringify(gate.caPath)}`]
  const content = [
    '# All pulls go to the gate, and nowhere else when it refuses.',
    `server = ${url}`,
    ...ca,
    '',
    '# Keep this block: containerd up to 1.7.31 drops a file without it, and asks the origin.',
    `[host.${url}]`,
    '  capabilities = ["pull", "resolve"]',
    ...ca.map(line => `  ${line}`),
    '',
  ].join('\n')
  return [...registries, '_default'].map(name => ({ path: `${directory}/${name}/hosts.toml`, content }))
}
