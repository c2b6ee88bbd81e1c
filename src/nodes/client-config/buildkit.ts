import type { ClientConfig, ClientConfigInput } from './client-config.ts'

/** A standalone buildkitd. Its mirrors always fall back, so the file only says how the gate is reached. */
export function buildkitConfig({ registries, gate }: ClientConfigInput): ClientConfig {
  const content = [
    '# No "mirrors" here: buildkitd always adds the origin after them, and has no setting against it.',
    `[registry.${JSON.stringify(gate.host)}]`,
    ...(gate.tls ? [] : ['  http = true']),
    ...(gate.caPath === undefined ? [] : [`  ca = [${JSON.stringify(gate.caPath)}]`]),
    '',
  ].join('\n')
  return {
    closedBy: 'egress',
    files: [{ path: '/etc/buildkit/buildkitd.toml', content }],
    notes: [
      'A standalone buildkitd cannot be closed by its configuration. Name images through the gate:',
      ...registries.map(host => `  FROM ${gate.host}/${host}/REPOSITORY:TAG`),
      'A source policy (EXPERIMENTAL_BUILDKIT_SOURCE_POLICY) can rewrite names and deny the rest, but each build chooses it.',
      'The BuildKit inside Docker 29 follows the hosts.toml files of docker (client-config docker --client-version 29).',
    ],
  }
}
