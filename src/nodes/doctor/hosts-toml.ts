import { lineOf, type Expected, type Finding, type NodeText } from './finding.ts'
import { hostOf, parseNodeText, tableAt, textAt } from './shape.ts'

/** All hosts.toml of one certs.d directory (traps 1, 2 and 4), and the registries that have none. */
export function checkHostsDirectory(
  directory: string,
  files: readonly NodeText[],
  expected: Expected,
): readonly Finding[] {
  const findings = files.flatMap(file => checkHostsToml(file, expected))
  const names = new Set(files.map(({ path }) => path.split('/').at(-2)))
  if (names.has('_default')) return findings
  const missing = [...expected.registries.filter(host => !names.has(host)), '_default']
  return [
    ...findings,
    ...missing.map((name): Finding => ({
      severity: 'open',
      code: 'hosts-missing',
      file: `${directory}/${name}/hosts.toml`,
      message: name === '_default' ? 'registries without a directory go to their origin' : `${name} goes to its origin`,
      fix: `write ${directory}/${name}/hosts.toml with server = and [host."…"] naming ${expected.gate}`,
    })),
  ]
}

function checkHostsToml(file: NodeText, { gate }: Expected): readonly Finding[] {
  const parsed = parseNodeText(file)
  if (!parsed.ok) {
    const message = `does not parse (${parsed.problem}): containerd logs that and asks the origin`
    return [
      { severity: 'open', code: 'unreadable', file: file.path, line: parsed.line, message, fix: 'correct this line' },
    ]
  }
  const findings: Finding[] = []
  const server = textAt(parsed.table['server'])
  if (server === undefined || hostOf(server) !== gate) {
    findings.push({
      severity: 'open',
      code: 'hosts-server-not-gate',
      file: file.path,
      line: lineOf(file.text, /^\s*server\s*=/),
      message: `server is ${server ?? 'not set, so the origin'}: asked when the gate refuses (Spegel writes it so, too)`,
      fix: `server = "https://${gate}"`,
    })
  }
  const hosts = Object.entries(tableAt(parsed.table['host']))
  if (hosts.length === 0) {
    findings.push({
      severity: 'open',
      code: 'hosts-without-host-block',
      file: file.path,
      message: 'has no [host] block: containerd up to 1.7.31 drops the file and asks the origin',
      fix: `[host."https://${gate}"]`,
    })
  }
  for (const [url, settings] of hosts) {
    const line = lineOf(file.text, `[host."${url}"`)
    if (hostOf(url) !== gate) {
      const message = `${url} is asked, and is not the gate`
      findings.push({
        severity: 'open',
        code: 'hosts-other-host',
        file: file.path,
        line,
        message,
        fix: `[host."https://${gate}"]`,
      })
    }
    if (tableAt(settings)['skip_verify'] === true) {
      const message = 'skip_verify: whoever answers in the place of the gate is believed'
      findings.push({
        severity: 'warning',
        code: 'tls-unverified',
        file: file.path,
        line,
        message,
        fix: 'ca = "…" instead of skip_verify',
      })
    }
  }
  return findings
}
