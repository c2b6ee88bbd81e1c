import { majorVersion, type ClientConfig, type ClientConfigInput, type NodeFile } from './client-config.ts'
import { hostsTomlFiles } from './hosts-toml.ts'

/** Docker. Only 29 and later, with the containerd image store, can be closed; without a version, 28 is assumed. */
export function dockerConfig(input: ClientConfigInput): ClientConfig {
  const insecure = input.gate.tls ? {} : { 'insecure-registries': [input.gate.host] }
  const daemon = (settings: object): NodeFile => ({
    path: '/etc/docker/daemon.json',
    content: `${JSON.stringify({ ...settings, ...insecure }, undefined, 2)}\n`,
  })
  if ((majorVersion(input.clientVersion) ?? 28) >= 29) {
    return {
      closedBy: 'files',
      files: [
        daemon({ features: { 'containerd-snapshotter': true } }),
        ...hostsTomlFiles('/etc/docker/certs.d', input),
      ],
      notes: [
        'Only the containerd image store reads hosts.toml; an engine upgraded from 28 keeps the old store until told.',
        'No "registry-mirrors": they fall back to Docker Hub in 29 too.',
        'Rootless: the certs.d files belong under ~/.config/docker/certs.d.',
      ],
    }
  }
  const ca = input.gate.caPath
  return {
    closedBy: 'egress',
    files: input.gate.tls ? [] : [daemon({})],
    notes: [
      'Docker before 29 cannot be closed by configuration: "registry-mirrors" goes on to Docker Hub when the gate refuses,',
      'and holds for docker.io only. Leave it out, and name images through the gate:',
      ...input.registries.map(host => throughGate(input.gate.host, host)),
      'Somebody who names an image without the gate is stopped by blocked egress only.',
      ...(ca === undefined ? [] : [`Copy ${ca} to /etc/docker/certs.d/${input.gate.host}/ca.crt.`]),
      'Docker 29 with the containerd image store can be closed: --client-version 29.',
    ],
  }
}

/** A port inside a name is no reference: docker refuses it before it asks anybody. */
function throughGate(gate: string, host: string): string {
  return host.includes(':')
    ? `  ${host} cannot be named so, for its port: give it a name of the gate's own (hostNames) or make it the defaultRegistry`
    : `  docker pull ${gate}/${host}/REPOSITORY:TAG`
}
