import { lineOf, type Expected, type Finding, type NodeText } from './finding.ts'
import { checkHostsDirectory } from './hosts-toml.ts'
import { parseNodeText, tableAt, textAt, textsAt } from './shape.ts'

const CERTS = '/etc/containerd/certs.d'
/** What these say cannot be told from this file alone. */
const UNTOLD: ReadonlySet<Finding['code']> = new Set(['config-path-elsewhere', 'config-imports'])
const CRI = ['io.containerd.grpc.v1.cri', 'io.containerd.cri.v1.images']

/** containerd's config.toml (trap 3, legacy mirrors, trap 5) and its certs.d. */
export function checkContainerd(
  config: NodeText | undefined,
  hosts: readonly NodeText[],
  expected: Expected,
): readonly Finding[] {
  if (config === undefined && hosts.length === 0) return []
  const findings = checkHostsDirectory(CERTS, hosts, expected)
  const file = config?.path ?? '/etc/containerd/config.toml'
  const parsed = config === undefined ? undefined : parseNodeText(config)
  if (parsed !== undefined && !parsed.ok) {
    const message = `does not parse: ${parsed.problem}`
    const fix = 'correct this line; containerd does not start with it'
    return [...findings, { severity: 'unknown', code: 'unreadable', file, line: parsed.line, message, fix }]
  }
  const plugins = tableAt(parsed?.table['plugins'])
  const registries = CRI.map(name => tableAt(tableAt(plugins[name])['registry']))
  const path = registries.map(registry => textAt(registry['config_path'])).find(one => one !== undefined && one !== '')
  const text = config?.text ?? ''
  const found = (code: Finding['code'], pattern: RegExp, message: string, fix: string): Finding => ({
    severity: code === 'image-verifier' ? 'warning' : UNTOLD.has(code) ? 'unknown' : 'open',
    code,
    file,
    line: lineOf(text, pattern),
    message,
    fix,
  })
  const setPath = `config_path = "${CERTS}"`
  const key = /^\s*config_path\s*=/
  const more: Finding[] = []
  if (path === undefined)
    more.push(found('config-path-unset', key, 'config_path is not set: the CRI may find no hosts.toml', setPath))
  else if (path.includes(':'))
    more.push(found('config-path-list', key, 'config_path is a list, which the CRI takes for one directory', setPath))
  else if (path.replace(/\/$/, '') !== CERTS)
    more.push(found('config-path-elsewhere', key, `config_path is ${path}, which is not read here`, setPath))
  const imports = textsAt(parsed?.table['imports'])
  if (imports.length > 0)
    more.push(
      found(
        'config-imports',
        /^\s*imports\s*=/,
        `imports ${imports.join(', ')}, which may set config_path anew and are not read here`,
        'look for config_path and registry.mirrors in them, or move what they hold into this file',
      ),
    )
  if (registries.some(registry => Object.keys(tableAt(registry['mirrors'])).length > 0))
    more.push(
      found(
        'legacy-mirrors',
        /registry\.mirrors/,
        'registry.mirrors always falls back to the origin',
        'remove the table',
      ),
    )
  if ('io.containerd.image-verifier.v1.bindir' in plugins)
    more.push(
      found(
        'image-verifier',
        /image-verifier/,
        'image verifiers are skipped on local pulls and where their directory is missing',
        'do not rely on it in the place of the gate',
      ),
    )
  return [...findings, ...more]
}
