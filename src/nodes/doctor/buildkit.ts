import { lineOf, type Finding, type NodeText } from './finding.ts'
import { parseNodeText, tableAt, textsAt } from './shape.ts'

/** buildkitd.toml: mirrors fall back; without them too, only egress closes a standalone buildkitd. */
export function checkBuildkit(file: NodeText | undefined): readonly Finding[] {
  if (file === undefined) return []
  const parsed = parseNodeText(file)
  if (!parsed.ok) {
    const message = `does not parse: ${parsed.problem}`
    const fix = 'correct this line'
    return [{ severity: 'unknown', code: 'unreadable', file: file.path, line: parsed.line, message, fix }]
  }
  const mirrored = Object.entries(tableAt(parsed.table['registry'])).filter(
    ([, settings]) => textsAt(tableAt(settings)['mirrors']).length > 0,
  )
  const egress: Finding = {
    severity: 'unknown',
    code: 'buildkit-egress',
    file: file.path,
    message: 'nothing here keeps buildkitd from an origin: only blocked egress does, which files do not show',
    fix: 'block egress; name images through the gate',
  }
  return [
    ...mirrored.map(([host]): Finding => ({
      severity: 'open',
      code: 'buildkit-mirrors',
      file: file.path,
      line: lineOf(file.text, /^\s*mirrors\s*=/),
      message: `${host}: the origin is asked after the mirrors, always`,
      fix: 'remove mirrors; name images through the gate, and block egress',
    })),
    egress,
  ]
}
