/**
 * A key as Go's encoding/json compares it: without case, and with U+017F and U+212A taken for s and k. Clients in Go
 * would read "Layers" and "manifeſts" as the fields they are not (case 112).
 */
export function foldKey(key: string): string {
  return key.toUpperCase().toLowerCase()
}
