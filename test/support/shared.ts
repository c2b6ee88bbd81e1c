import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/**
 * A folder of ../shared, the material that several implementations are held against. It is not part of this repository:
 * a suite over it skips where it is absent.
 */
export function sharedFolder(name: string): string | undefined {
  const path = fileURLToPath(new URL(`../../../shared/${name}`, import.meta.url))
  return existsSync(path) ? path : undefined
}
