import type { ClientConfig, ClientConfigInput } from './client-config.ts'

/** Endings whose unlisted registries are blocked. A list can't be complete: the rest is for the firewall. */
const CATCH_ALL = ['*.com', '*.io', '*.org', '*.net', '*.dev']

/** podman, CRI-O, skopeo, buildah: registries.conf(5). `location` rewrites, so that the origin is never an endpoint. */
export function containersConfig({ registries, gate }: ClientConfigInput): ClientConfig {
  const insecure = gate.tls ? [] : ['insecure = true # the gate speaks plain HTTP']
  const table = (prefix: string, location: string): readonly string[] => [
    '[[registry]]',
    `prefix = ${JSON.stringify(prefix)}`,
    `location = ${JSON.stringify(location)}`,
    ...insecure,
    '',
  ]
  const content = [
    '# "location" rewrites the name. A [[registry.mirror]] would go on to the origin when the gate refuses.',
    ...registries.flatMap(host =>
      host.includes(':')
        ? ['[[registry]]', `prefix = "${host}"`, 'blocked = true', '']
        : table(host, `${gate.host}/${host}`),
    ),
    '# The gate by its own name.',
    ...table(gate.host, gate.host),
    '# Optional: registries that are not above are blocked. A more specific table wins.',
    ...CATCH_ALL.flatMap(prefix => ['[[registry]]', `prefix = "${prefix}"`, 'blocked = true', '']),
  ].join('\n')
  return {
    closedBy: 'files',
    files: [{ path: '/etc/containers/registries.conf.d/50-sealgate.conf', content }],
    notes: [
      ...registries
        .filter(host => host.includes(':'))
        .map(
          host => `${host} is blocked: a port cannot be part of a path. Give it one of the gate's "hostNames" instead.`,
        ),
      `Closed for the registries listed and for ${CATCH_ALL.join(' ')}; any other name needs blocked egress.`,
      ...(gate.caPath === undefined ? [] : [`Copy ${gate.caPath} to /etc/containers/certs.d/${gate.host}/ca.crt.`]),
      `Logins: podman login ${gate.host} (credentials for the origin are withheld from another host).`,
      'A user with their own ~/.config/containers/registries.conf is not bound by this file.',
    ],
  }
}
