import { lineOf, type Expected, type Finding, type NodeText } from './finding.ts'
import { hostOf, parseNodeText, tablesAt, textAt } from './shape.ts'

type Entry = {
  readonly file: NodeText
  readonly prefix: string
  readonly location: string
  readonly blocked: boolean
  readonly mirrors: readonly string[]
}

/** registries.conf and its drop-ins, in the order they are read: a later table of the same prefix replaces an earlier. */
export function checkContainers(files: readonly NodeText[], expected: Expected): readonly Finding[] {
  if (files.length === 0) return []
  const findings: Finding[] = []
  const entries = new Map<string, Entry>()
  for (const file of files) {
    const parsed = parseNodeText(file)
    if (!parsed.ok) {
      const message = `does not parse: ${parsed.problem}`
      const fix = 'correct this line'
      findings.push({ severity: 'unknown', code: 'unreadable', file: file.path, line: parsed.line, message, fix })
      continue
    }
    for (const table of tablesAt(parsed.table['registry'])) {
      const prefix = textAt(table['prefix']) ?? textAt(table['location']) ?? ''
      const mirrors = tablesAt(table['mirror']).map(mirror => textAt(mirror['location']) ?? '')
      const location = textAt(table['location']) ?? prefix
      entries.set(prefix, { file, prefix, location, blocked: table['blocked'] === true, mirrors })
    }
  }
  for (const entry of entries.values()) findings.push(...checkEntry(entry, expected.gate))
  for (const host of expected.registries) {
    if (entries.has(host)) continue
    const message = `${host} has no table of its own and goes to its origin`
    const fix = `[[registry]] prefix = "${host}" location = "${expected.gate}/${host}"`
    const file = files.at(-1)?.path ?? ''
    findings.push({ severity: 'open', code: 'containers-missing', file, message, fix })
  }
  return findings
}

function checkEntry({ file, prefix, location, blocked, mirrors }: Entry, gate: string): readonly Finding[] {
  const line = lineOf(file.text, `"${prefix}"`)
  const open = (code: Finding['code'], message: string, fix: string): Finding => ({
    severity: 'open',
    code,
    file: file.path,
    line,
    message,
    fix,
  })
  const rewrite = `location = "${gate}/${prefix}"`
  const findings: Finding[] = []
  if (/^docker\.io\/[^/]+$/.test(prefix) && prefix !== 'docker.io/library') {
    findings.push(
      open(
        'containers-prefix-never-matches',
        `${prefix} may be meant for the image docker.io/library/${prefix.slice(10)}, which it does not match`,
        'prefix = "docker.io"',
      ),
    )
  }
  const others = mirrors.filter(mirror => hostOf(mirror) !== gate)
  if (others.length > 0)
    findings.push(
      open('containers-other-mirror', `the mirror ${others.join(', ')} is not the gate`, 'remove the mirror'),
    )
  if (!blocked && hostOf(location) !== gate) {
    findings.push(
      mirrors.length > 0
        ? open('containers-mirror-falls-back', `${prefix}: after its mirrors ${location} is asked`, rewrite)
        : open('containers-not-gate', `${prefix} goes to ${location}`, rewrite),
    )
  }
  return findings
}
