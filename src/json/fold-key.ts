import type { JsonCursor } from './decode.ts'

/**
 * A key as Go's encoding/json compares it: without case, and with U+017F and U+212A taken for s and k. Clients in Go
 * would read "Layers" and "manifeſts" as the fields they are not (case 112).
 */
export function foldKey(key: string): string {
  return key.toUpperCase().toLowerCase()
}

/** Field names by their folded form, for `hasNoCaseVariant`. */
export function foldedNames(names: readonly string[]): ReadonlyMap<string, string> {
  return new Map(names.map(name => [foldKey(name), name]))
}

/**
 * Reports a key that differs from a field's name in case only. Clients in Go would take it for the field, and the last
 * of two would win: what was judged here is not what they run (case 112).
 *
 * @returns true if there is none, or the value is no object
 */
export function hasNoCaseVariant(cursor: JsonCursor, names: ReadonlyMap<string, string>): boolean {
  if (cursor.node.kind !== 'object') return true
  for (const [key, { keyAt }] of cursor.node.members) {
    const name = names.get(foldKey(key))
    if (name !== undefined && name !== key) {
      cursor.fail(`the key ${JSON.stringify(key)} differs from "${name}" in case only`, keyAt)
      return false
    }
  }
  return true
}
