/** Where in a text: both counted from 1, columns in UTF-16 units as editors do. */
export type TextPosition = { readonly line: number; readonly column: number }

/** Line and column of each of these indexes into the text, by index. The text is read once, however many there are. */
export function positionsAt(text: string, indexes: readonly number[]): ReadonlyMap<number, TextPosition> {
  const positions = new Map<number, TextPosition>()
  let line = 1
  let lineStart = 0
  let lineEnd = text.indexOf('\n')
  for (const index of indexes.toSorted((a, b) => a - b)) {
    while (lineEnd !== -1 && lineEnd < index) {
      line += 1
      lineStart = lineEnd + 1
      lineEnd = text.indexOf('\n', lineStart)
    }
    positions.set(index, { line, column: index - lineStart + 1 })
  }
  return positions
}

/** Line and column of one index. */
export function positionAt(text: string, index: number): TextPosition {
  return positionsAt(text, [index]).get(index) ?? { line: 1, column: 1 }
}
