import { majorVersion, type ClientConfig, type ClientConfigInput } from './client-config.ts'
import { hostsTomlFiles } from './hosts-toml.ts'

const CERTS = '/etc/containerd/certs.d'

/**
 * containerd under kubelet (CRI). Without a version the configuration is in the form that 1.6 and all later ones read, 2.x by
 * migrating it: 1.x passes over the newer form without a word, finds no `config_path`, and asks the origin.
 */
export function containerdConfig(input: ClientConfigInput): ClientConfig {
  const old = input.clientVersion === undefined || majorVersion(input.clientVersion) === 1
  const plugin = old ? 'io.containerd.grpc.v1.cri' : 'io.containerd.cri.v1.images'
  const content = [
    '# Merge into the file that is there; a [plugins…registry.mirrors] table in it has to go, it always falls back.',
    `version = ${old ? 2 : 3}`,
    '',
    `[plugins."${plugin}".registry]`,
    '  # One path: the default of 2.2 and later is two, which the CRI takes for one directory (containerd#12636).',
    `  config_path = "${CERTS}"`,
    '',
  ].join('\n')
  return {
    closedBy: 'files',
    files: [{ path: '/etc/containerd/config.toml', content }, ...hostsTomlFiles(CERTS, input)],
    notes: [
      ...(old
        ? ['In a config.toml of version = 3 it is plugins."io.containerd.cri.v1.images".registry that has config_path.']
        : ['This is for containerd 2.x: 1.x reads nothing of it, says nothing, and asks the origin.']),
      'ctr reads none of this unless it is told --hosts-dir, and needs root: only blocking egress closes it.',
      'Restart containerd once for config.toml; hosts.toml files are read at every pull.',
    ],
  }
}
