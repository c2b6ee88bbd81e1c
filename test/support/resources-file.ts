import { readFileSync } from 'node:fs'

/** What a KBC serves: given as bytes, or as a file in the layout of aa-offline_fs_kbc-resources.json. */
export type Resources =
  | { readonly from: 'map'; readonly map: Readonly<Record<string, Uint8Array | string>> }
  | { readonly from: 'file'; readonly path: string }

/** A text that the real program would give; `Failed to load resources: ` stands before it in an agent's answer. */
export type Loaded =
  | { readonly ok: true; readonly resources: ReadonlyMap<string, Buffer> }
  | { readonly ok: false; readonly problem: string }

/** Loads as offline_fs_kbc does: all of it or nothing. */
export function loadResources(source: Resources): Loaded {
  if (source.from === 'map') {
    return { ok: true, resources: new Map(Object.entries(source.map).map(([key, value]) => [key, Buffer.from(value)])) }
  }
  let text
  try {
    text = readFileSync(source.path, 'utf8')
  } catch {
    return { ok: false, problem: 'No such file or directory (os error 2)' }
  }
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return { ok: false, problem: 'Failed to parse resources JSON file' }
  }
  if (typeof json !== 'object' || json === null) return { ok: false, problem: 'Failed to parse resources JSON file' }
  const resources = new Map<string, Buffer>()
  for (const [key, value] of Object.entries(json)) {
    if (typeof value !== 'string') return { ok: false, problem: 'Failed to parse resources JSON file' }
    const wrong = /[^A-Za-z0-9+/=]/.exec(value)
    if (wrong !== null) {
      const invalid = `Invalid byte ${wrong[0].charCodeAt(0)}, offset ${wrong.index}.`
      return { ok: false, problem: `Failed to decode resource for ${key}: ${invalid}` }
    }
    if (value.length % 4 !== 0) {
      return { ok: false, problem: `Failed to decode resource for ${key}: Encoded text cannot have a 6-bit remainder.` }
    }
    resources.set(key, Buffer.from(value, 'base64'))
  }
  return { ok: true, resources }
}

/** The file's text for some resources. */
export function resourcesFile(resources: Readonly<Record<string, Uint8Array | string>>): string {
  const entries = Object.entries(resources).map(([key, value]) => [key, Buffer.from(value).toString('base64')])
  return JSON.stringify(Object.fromEntries(entries))
}
