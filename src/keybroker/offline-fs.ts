import { decodeBase64 } from '../json/base64.ts'
import { decodeJson, formatProblem } from '../json/decode.ts'
import { abortError, checkResource, failureOf, type Failure, type KeyBroker } from './broker.ts'
import { asKbs, asNamed } from './default-resources.ts'
import { resourceKey, type ResourceName } from './resource.ts'
import { readStableFile } from './stable-file.ts'

const MAX_FILE_BYTES = 8 * 1024 * 1024
const MAX_DEPTH = 2
const NAMES_SHOWN = 8

/**
 * The resources file of offline-fs-kbc, read here instead of by an agent, and again for every call: a change is seen at
 * once. The keys file beside it holds secrets and is never opened.
 *
 * A resource is looked up by the name that was asked for, then by the other generation's name for the same thing: the
 * file may have "Cosign Key" (to 0.4) or "default/cosign-public-key/test" (since).
 */
export function openOfflineFs({ path }: { readonly path: string }): KeyBroker {
  const name = `offline-fs at ${path}`
  return {
    async get(resource, signal) {
      const failure = failureOf(resource, name)
      if (signal.aborted) throw abortError(signal, failure)
      const resources = parseResources(await readStableFile(path, MAX_FILE_BYTES, failure), failure)
      for (const key of fileKeys(resource)) {
        const bytes = resources.get(key)
        if (bytes !== undefined) return checkResource(bytes, failure)
      }
      throw failure('REFUSED', notThere(resource, resources))
    },
    describe: () => name,
    close: () => undefined,
  }
}

function fileKeys(resource: ResourceName): readonly string[] {
  const named = asNamed(resource)
  const kbs = asKbs(resource)
  const names = named.ok ? [named.value.name] : []
  const paths = kbs.ok ? [resourceKey(kbs.value)] : []
  return resource.kind === 'name' ? [...names, ...paths] : [...paths, ...names]
}

/**
 * One flat object of names to base64, all of it or nothing: a single value that is no base64 spoils the file for every
 * agent, so a file that works here works there (keybroker.md section 2). Duplicate names are refused, as agents differ in
 * which they keep.
 */
function parseResources(untrusted: Uint8Array, failure: Failure): ReadonlyMap<string, Uint8Array> {
  const decoded = decodeJson(
    untrusted,
    root => {
      const resources = new Map<string, Uint8Array>()
      const before = root.problemCount
      for (const [key, value] of root.entries() ?? []) {
        // The value itself is not shown, whatever it is.
        const bytes = value.node.kind === 'string' ? decodeBase64(value.node.value) : undefined
        if (bytes === undefined) value.fail('is not standard, padded base64 on one line, which spoils the whole file')
        else resources.set(key, bytes)
      }
      return root.problemCount === before ? resources : undefined
    },
    { maxBytes: MAX_FILE_BYTES, maxDepth: MAX_DEPTH },
  )
  if (decoded.ok) return decoded.value
  const [first] = decoded.problems
  throw failure('BAD_ANSWER', `the file is broken: ${formatProblem(first)}`)
}

function notThere(resource: ResourceName, resources: ReadonlyMap<string, Uint8Array>): string {
  const wanted = fileKeys(resource)
  const misspelt = [...resources.keys()].find(key => wanted.includes(key.replace(/^(?:kbs:\/\/)?\//, '')))
  if (misspelt !== undefined) {
    return `the file names it ${JSON.stringify(misspelt)}: leave out what stands before ${JSON.stringify(wanted[0])}`
  }
  if (resources.size === 0) return 'the file has no resources'
  const names = [...resources.keys()].slice(0, NAMES_SHOWN).map(key => JSON.stringify(key.slice(0, 80)))
  return `the file has no ${wanted.map(key => JSON.stringify(key)).join(' or ')}; it has ${names.join(', ')}${
    resources.size > NAMES_SHOWN ? ', …' : ''
  }`
}
