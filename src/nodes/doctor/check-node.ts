import { posix } from 'node:path'
import { checkBuildkit } from './buildkit.ts'
import { checkContainerd, containerdImports } from './containerd.ts'
import { checkContainers } from './containers.ts'
import { checkDocker } from './docker.ts'
import type { Expected, Finding, NodeText } from './finding.ts'
import { checkK3s } from './k3s.ts'

/** What is read of a node: files, and directories whose `<registry>/hosts.toml` or `*.conf` count. */
export const NODE_FILES = {
  files: [
    '/etc/docker/daemon.json',
    '/etc/containerd/config.toml',
    '/etc/containers/registries.conf',
    '/etc/buildkit/buildkitd.toml',
    '/etc/rancher/k3s/registries.yaml',
    '/etc/rancher/k3s/config.yaml',
    '/etc/rancher/rke2/registries.yaml',
    '/etc/rancher/rke2/config.yaml',
  ],
  hostsDirectories: ['/etc/docker/certs.d', '/etc/containerd/certs.d'],
  dropIns: '/etc/containers/registries.conf.d',
  homes: ['/root', '/home/*'],
  /** Only whether they are there is looked at: each replaces what is read above, for one user. */
  inHomes: [
    '.config/containers/registries.conf',
    '.config/docker/daemon.json',
    '.config/buildkit/buildkitd.toml',
    '.config/containerd/config.toml',
  ],
} as const

/** Every way round the gate that the files show (shared/clients.md 6.4). Files of other paths are ignored. */
export function checkNode(files: readonly NodeText[], expected: Expected): readonly Finding[] {
  const file = (path: string): NodeText | undefined => files.find(one => one.path === path)
  const below = (directory: string): readonly NodeText[] => files.filter(one => one.path.startsWith(`${directory}/`))
  const main = file('/etc/containers/registries.conf')
  const dropIns = below(NODE_FILES.dropIns).toSorted((a, b) => (a.path < b.path ? -1 : 1))
  const containerd = file('/etc/containerd/config.toml')
  const imports = containerd === undefined ? [] : containerdImports(containerd)
  const imported = files
    .filter(({ path }) => imports.some(pattern => posix.matchesGlob(path, pattern)))
    .toSorted((a, b) => (a.path < b.path ? -1 : 1))
  return [
    ...checkDocker(file('/etc/docker/daemon.json'), below('/etc/docker/certs.d'), expected),
    ...checkContainerd(containerd, imported, below('/etc/containerd/certs.d'), expected),
    ...checkContainers(main === undefined ? dropIns : [main, ...dropIns], expected),
    ...(['k3s', 'rke2'] as const).flatMap(product => {
      const at = (name: string): NodeText | undefined => file(`/etc/rancher/${product}/${name}`)
      return checkK3s(product, at('registries.yaml'), at('config.yaml'), expected)
    }),
    ...checkBuildkit(file('/etc/buildkit/buildkitd.toml')),
    ...files.filter(({ path }) => isElsewhere(path)).map(notRead),
  ]
}

function isElsewhere(path: string): boolean {
  return NODE_FILES.inHomes.some(name => path.endsWith(`/${name}`))
}

function notRead({ path }: NodeText): Finding {
  return {
    severity: 'unknown',
    code: 'not-read',
    file: path,
    message: 'is used in the place of, or over, what is read below /etc, and is not read here',
    fix: 'look in it for other locations and mirrors, or remove it',
  }
}

/** open where anything is; unknown where something can't be told, or nothing was found to look at. */
export function stateOf(files: readonly NodeText[], findings: readonly Finding[]): 'closed' | 'open' | 'unknown' {
  if (findings.some(({ severity }) => severity === 'open')) return 'open'
  if (files.length === 0 || findings.some(({ severity }) => severity === 'unknown')) return 'unknown'
  return 'closed'
}
