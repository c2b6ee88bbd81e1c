import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Where each program is looked for, first hit wins: an environment variable with a path, then these names on PATH. */
const places = {
  cosign2: { variable: 'COSIGN2', names: ['cosign2', 'cosign'] },
  cosign3: { variable: 'COSIGN3', names: ['cosign3'] },
  crane: { variable: 'CRANE', names: ['crane'] },
  registry: { variable: 'DOCKER_REGISTRY', names: ['docker-registry'] },
  docker: { variable: 'DOCKER', names: ['docker'] },
  // One with BuildKit's client in it or a buildx beside it; Debian's has it, a bare docker 23 or later has not.
  dockerBuildkit: { variable: 'DOCKER_BUILDKIT_CLI', names: ['docker'] },
  dockerd: { variable: 'DOCKERD', names: ['dockerd'] },
  podman: { variable: 'PODMAN', names: ['podman'] },
  skopeo: { variable: 'SKOPEO', names: ['skopeo'] },
  tar: { variable: 'TAR', names: ['tar'] },
  containerd: { variable: 'CONTAINERD', names: ['containerd'] },
  // A second one, of the line that Kubernetes' nodes run; Debian's is 1.6.
  containerd2: { variable: 'CONTAINERD2', names: [] },
  buildkitd: { variable: 'BUILDKITD', names: ['buildkitd'] },
  buildctl: { variable: 'BUILDCTL', names: ['buildctl'] },
  ctr: { variable: 'CTR', names: ['ctr'] },
  oras: { variable: 'ORAS', names: ['oras'] },
  helm: { variable: 'HELM', names: ['helm'] },
  conformance: { variable: 'OCI_CONFORMANCE', names: ['oci-conformance'] },
  referrersRegistry: { variable: 'REFERRERS_REGISTRY', names: ['referrers-registry'] },
} as const

type ProgramName = keyof typeof places

/** The programs that a scene works with, each with the path to run. */
export type Programs = Readonly<Record<Exclude<ProgramName, Optional>, string>>

/** Those that only some tests have a use for, and that do without elsewhere than in CI. */
type Optional = 'cosign3' | 'containerd2' | 'buildkitd' | 'buildctl' | 'conformance' | 'referrersRegistry'

/** All programs, or in plain words what is missing (root too: dockerd and podman's vfs driver need it). */
export function findPrograms(): { readonly programs: Programs } | { readonly missing: string } {
  const missing: string[] = []
  const need = (name: ProgramName): string => {
    const path = findProgram(name)
    if (path === undefined) missing.push(name)
    return path ?? name
  }
  const programs = {
    cosign2: need('cosign2'),
    crane: need('crane'),
    registry: need('registry'),
    docker: need('docker'),
    dockerBuildkit: need('dockerBuildkit'),
    dockerd: need('dockerd'),
    podman: need('podman'),
    skopeo: need('skopeo'),
    tar: need('tar'),
    containerd: need('containerd'),
    ctr: need('ctr'),
    oras: need('oras'),
    helm: need('helm'),
  }
  if (process.getuid?.() !== 0) missing.push('root (for dockerd and podman)')
  return missing.length === 0 ? { programs } : { missing: `needs ${missing.join(', ')}` }
}

/** The path of one program, if it is there. */
export function findProgram(name: ProgramName): string | undefined {
  const { variable, names } = places[name]
  const chosen = process.env[variable]
  if (chosen !== undefined && chosen !== '') return isProgram(chosen) ? chosen : undefined
  const directories = (process.env['PATH'] ?? '').split(delimiter)
  return names
    .flatMap(program => directories.map(directory => join(directory, program)))
    .find(path => isProgram(path) && (name !== 'dockerBuildkit' || hasBuildkit(path)))
}

function hasBuildkit(docker: string): boolean {
  const env = { ...process.env, DOCKER_BUILDKIT: '1' }
  return spawnSync(docker, ['build', '--help'], { env, timeout: 10_000 }).status === 0
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    // Not there, or not to be run: both are "no" to this question.
    return false
  }
}
