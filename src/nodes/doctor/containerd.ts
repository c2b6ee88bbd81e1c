import { posix } from 'node:path'
import { lineOf, type Expected, type Finding, type NodeText } from './finding.ts'
import { checkHostsDirectory } from './hosts-toml.ts'
import { parseNodeText, tableAt, textAt, textsAt } from './shape.ts'

const CERTS = '/etc/containerd/certs.d'
const CRI = ['io.containerd.grpc.v1.cri', 'io.containerd.cri.v1.images']

/** The patterns of the files that a config.toml merges over itself, absolute. containerd, "config.toml(5)": `imports`. */
export function containerdImports(config: NodeText): readonly string[] {
  const parsed = parseNodeText(config)
  if (!parsed.ok) return []
  return textsAt(parsed.table['imports']).map(pattern => posix.resolve(posix.dirname(config.path), pattern))
}

/**
 * containerd's config.toml (trap 3, legacy mirrors, trap 5) with what it imports, and its certs.d.
 *
 * @param imported the files that `containerdImports` names, in the order of their paths, as containerd merges them
 */
export function checkContainerd(
  config: NodeText | undefined,
  imported: readonly NodeText[],
  hosts: readonly NodeText[],
  expected: Expected,
): readonly Finding[] {
  if (config === undefined && hosts.length === 0) return []
  const findings: Finding[] = [...checkHostsDirectory(CERTS, hosts, expected)]
  const main = config ?? { path: '/etc/containerd/config.toml', text: '' }
  const read: ReadFile[] = []
  for (const file of [main, ...imported]) {
    const parsed = parseNodeText(file)
    if (parsed.ok) read.push(readFile(file, parsed.table))
    else {
      const message = `does not parse: ${parsed.problem}`
      const fix = 'correct this line; containerd does not start with it'
      findings.push({ severity: 'unknown', code: 'unreadable', file: file.path, line: parsed.line, message, fix })
    }
  }
  if (read.length <= imported.length) return findings
  return [...findings, ...checkConfigPath(main, read), ...read.flatMap(checkFile)]
}

/** What one file says; `path` is its config_path, if it sets one. */
type ReadFile = {
  readonly file: NodeText
  readonly path: string | undefined
  readonly hasMirrors: boolean
  readonly hasVerifiers: boolean
  readonly imports: readonly string[]
}

function readFile(file: NodeText, table: Readonly<Record<string, unknown>>): ReadFile {
  const plugins = tableAt(table['plugins'])
  const registries = CRI.map(name => tableAt(tableAt(plugins[name])['registry']))
  return {
    file,
    path: registries.map(registry => textAt(registry['config_path'])).find(one => one !== undefined && one !== ''),
    hasMirrors: registries.some(registry => Object.keys(tableAt(registry['mirrors'])).length > 0),
    hasVerifiers: 'io.containerd.image-verifier.v1.bindir' in plugins,
    imports: textsAt(table['imports']),
  }
}

/** The last file that sets it wins. */
function checkConfigPath(main: NodeText, read: readonly ReadFile[]): readonly Finding[] {
  const last = read.findLast(({ path }) => path !== undefined)
  const { file, path } = last ?? { file: main, path: undefined }
  const found = (severity: Finding['severity'], code: Finding['code'], message: string): readonly Finding[] => [
    {
      severity,
      code,
      file: file.path,
      line: lineOf(file.text, /^\s*config_path\s*=/),
      message,
      fix: `config_path = "${CERTS}"`,
    },
  ]
  if (path === undefined)
    return found('open', 'config-path-unset', 'config_path is not set: the CRI may find no hosts.toml')
  if (path.includes(':'))
    return found('open', 'config-path-list', 'config_path is a list, which the CRI takes for one directory')
  if (path.replace(/\/$/, '') !== CERTS)
    return found('unknown', 'config-path-elsewhere', `config_path is ${path}, which is not read here`)
  return []
}

function checkFile({ file, hasMirrors, hasVerifiers, imports }: ReadFile, index: number): readonly Finding[] {
  const found = (
    severity: Finding['severity'],
    code: Finding['code'],
    pattern: RegExp,
    message: string,
    fix: string,
  ): Finding => ({ severity, code, file: file.path, line: lineOf(file.text, pattern), message, fix })
  const findings: Finding[] = []
  if (index > 0 && imports.length > 0)
    findings.push(
      found(
        'unknown',
        'config-imports',
        /^\s*imports\s*=/,
        `is itself imported, and imports ${imports.join(', ')}, which may set config_path anew and are not read here`,
        'look for config_path and registry.mirrors in them, or import them from config.toml',
      ),
    )
  if (hasMirrors)
    findings.push(
      found(
        'open',
        'legacy-mirrors',
        /registry\.mirrors/,
        'registry.mirrors always falls back to the origin',
        'remove the table',
      ),
    )
  if (hasVerifiers)
    findings.push(
      found(
        'warning',
        'image-verifier',
        /image-verifier/,
        'image verifiers are skipped on local pulls and where their directory is missing',
        'do not rely on it in the place of the gate',
      ),
    )
  return findings
}
