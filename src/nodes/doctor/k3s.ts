import { lineOf, type Expected, type Finding, type NodeText } from './finding.ts'
import { hostOf, parseNodeText, tableAt, textsAt } from './shape.ts'

/** k3s and RKE2: registries.yaml and, in config.yaml, the setting that takes the origin out. */
export function checkK3s(
  product: 'k3s' | 'rke2',
  registries: NodeText | undefined,
  config: NodeText | undefined,
  { gate }: Expected,
): readonly Finding[] {
  if (registries === undefined) return []
  const parsed = parseNodeText(registries)
  const settings = config === undefined ? undefined : parseNodeText(config)
  const findings: Finding[] = []
  for (const [file, one] of [[registries, parsed] as const, [config, settings] as const]) {
    if (file === undefined || one === undefined || one.ok) continue
    const message = `does not parse: ${one.problem}`
    const fix = 'correct this line'
    findings.push({ severity: 'unknown', code: 'unreadable', file: file.path, line: one.line, message, fix })
  }
  if (!parsed.ok) return findings
  const mirrors = tableAt(parsed.table['mirrors'])
  for (const [name, mirror] of Object.entries(mirrors)) {
    const endpoints = textsAt(tableAt(mirror)['endpoint'])
    if (endpoints.length > 0 && endpoints.every(endpoint => hostOf(endpoint) === gate)) continue
    findings.push({
      severity: 'open',
      code: 'k3s-not-gate',
      file: registries.path,
      line: lineOf(registries.text, name),
      message: `${name} is pulled from ${endpoints.join(', ') || 'its origin'}`,
      fix: `endpoint: ["https://${gate}"]`,
    })
  }
  if (!('*' in mirrors)) {
    const message = 'registries that are not named go to their origin'
    const fix = `"*": { endpoint: ["https://${gate}"] }`
    findings.push({ severity: 'open', code: 'k3s-missing', file: registries.path, message, fix })
  }
  if (settings?.ok === false) return findings
  if (settings?.table['disable-default-registry-endpoint'] !== true) {
    findings.push({
      severity: 'open',
      code: 'k3s-default-endpoint',
      file: `/etc/rancher/${product}/config.yaml`,
      line: lineOf(config?.text ?? '', /disable-default-registry-endpoint/),
      message: `${product} asks the origin after the endpoints, unless a flag of its service says otherwise`,
      fix: 'disable-default-registry-endpoint: true',
    })
  }
  return findings
}
