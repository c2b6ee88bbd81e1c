import { lineOf, type Expected, type Finding, type NodeText } from './finding.ts'
import { checkHostsDirectory } from './hosts-toml.ts'
import { parseNodeText, tableAt, textsAt } from './shape.ts'

/** Docker's daemon.json (registry-mirrors, trap 7; the image store) and its certs.d. */
export function checkDocker(
  daemon: NodeText | undefined,
  hosts: readonly NodeText[],
  expected: Expected,
): readonly Finding[] {
  if (daemon === undefined && hosts.length === 0) return []
  const file = daemon?.path ?? '/etc/docker/daemon.json'
  const parsed = daemon === undefined ? undefined : parseNodeText(daemon)
  if (parsed !== undefined && !parsed.ok) {
    const message = `does not parse: ${parsed.problem}`
    return [{ severity: 'unknown', code: 'unreadable', file, line: parsed.line, message, fix: 'correct the file' }]
  }
  const findings: Finding[] = []
  if (textsAt(parsed?.table['registry-mirrors']).length > 0) {
    findings.push({
      severity: 'open',
      code: 'docker-mirrors',
      file,
      line: lineOf(daemon?.text ?? '', /"registry-mirrors"/),
      message: 'registry-mirrors goes on to Docker Hub when the gate refuses, and holds for docker.io only',
      fix: 'remove "registry-mirrors"; see sealgate client-config docker',
    })
  }
  if (hosts.length === 0) {
    findings.push({
      severity: 'unknown',
      code: 'docker-egress',
      file,
      message: 'nothing here keeps docker from an origin: only blocked egress does, which files do not show',
      fix: 'block egress, or docker 29 with sealgate client-config docker --client-version 29',
    })
    return findings
  }
  const store = tableAt(parsed?.table['features'])['containerd-snapshotter']
  if (store !== true) {
    findings.push({
      severity: store === false ? 'open' : 'unknown',
      code: 'docker-old-store',
      file,
      line: lineOf(daemon?.text ?? '', /containerd-snapshotter/),
      message: 'hosts.toml is read by the containerd image store only, which is not switched on here',
      fix: '"features": { "containerd-snapshotter": true }',
    })
  }
  return [...findings, ...checkHostsDirectory('/etc/docker/certs.d', hosts, expected)]
}
