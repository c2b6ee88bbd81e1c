const MAX_CHARACTERS = 200

/**
 * What a peer says, made fit for a log line: one line, at most 200 characters, nothing that steers a terminal or turns
 * the direction of text. A text with a PEM block in it is cut there: no resource's content is ever logged.
 */
export function peerText(untrustedText: string): string {
  const [beforePem = ''] = untrustedText.slice(0, 4 * MAX_CHARACTERS).split('-----BEGIN')
  const line = beforePem
    .replace(/\s+/gu, ' ')
    .replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?')
    .trim()
  const text = line.length <= MAX_CHARACTERS ? line : `${line.slice(0, MAX_CHARACTERS - 1).toWellFormed()}…`
  return JSON.stringify(text)
}
