import { foldKey } from '../json/fold-key.ts'
import { TopLevelKeys } from '../json/top-level-keys.ts'

/** Keys at the top of a document that make it a manifest or an index for some client. */
const MANIFEST_KEYS: ReadonlySet<string> = new Set(['manifests', 'layers', 'fslayers'])

/** Whether one of these top-level keys is a manifest's, as the laxest client reads it. */
export function includesManifestKey(keys: readonly string[]): boolean {
  return keys.some(key => MANIFEST_KEYS.has(foldKey(key)))
}

/** Whether a whole document could be taken for a manifest or an index, however badly formed. */
export function looksLikeManifest(bytes: Uint8Array): boolean {
  return includesManifestKey(new TopLevelKeys().push(bytes))
}
