import { decodeJson, type Decoded, type JsonCursor } from '../json/decode.ts'
import { decodeRequirements } from './parse-requirement.ts'
import { canonicalDockerScope } from './policy-scopes.ts'
import { warningsOf } from './policy-warnings.ts'
import type { Policy, Requirements } from './policy.ts'

const LIMITS = { maxBytes: 64 * 1024 * 1024, maxDepth: 32 }

/** The transports of containers-transports(5); a name that is none of them is kept and never looked up. */
const TRANSPORTS: ReadonlySet<string> = new Set([
  'atomic',
  'containers-storage',
  'dir',
  'docker',
  'docker-archive',
  'docker-daemon',
  'oci',
  'oci-archive',
  'ostree',
  'sif',
  'tarball',
])

/**
 * Reads a policy.json. As strict as containers/image: unknown, missing, repeated and mistyped fields are problems, each
 * with its JSON path, line and column; a typo must not weaken a policy. containers-policy.json(5).
 *
 * What containers/image takes though it can never match is kept, and told in `warnings`.
 */
export function parsePolicy(bytes: Uint8Array): Decoded<Policy> {
  return decodeJson(bytes, decodePolicy, LIMITS)
}

function decodePolicy(root: JsonCursor): Policy | undefined {
  const top = root.object({ required: ['default'], optional: ['transports'] })
  if (top === undefined) return undefined
  const warnings: string[] = []
  const byDefault = decodeRequirements(top.default)
  const transports = new Map<string, ReadonlyMap<string, Requirements>>()
  for (const [transport, cursor] of top.transports?.entries() ?? []) {
    if (!TRANSPORTS.has(transport)) {
      warnings.push(`${cursor.path}: there is no transport ${JSON.stringify(transport)}; what it says is never applied`)
    }
    const scopes = decodeScopes(transport, cursor)
    if (scopes !== undefined) transports.set(transport, scopes)
  }
  if (byDefault === undefined) return undefined
  // Not by spreading into push: a call takes no hundred thousand arguments.
  const more = warningsOf(byDefault, transports.get('docker') ?? new Map())
  return { default: byDefault, transports, warnings: [...warnings, ...more] }
}

function decodeScopes(transport: string, cursor: JsonCursor): ReadonlyMap<string, Requirements> | undefined {
  const entries = cursor.entries()
  if (entries === undefined) return undefined
  const scopes = new Map<string, Requirements>()
  for (const [written, value] of entries) {
    const scope = transport === 'docker' ? canonicalDockerScope(written) : otherScope(transport, written)
    const requirements = decodeRequirements(value)
    if (scope === undefined) value.fail(`${JSON.stringify(written)} is not a scope of the transport ${transport}`)
    else if (scopes.has(scope)) value.fail(`the scope ${JSON.stringify(scope)} is repeated in another spelling`)
    else if (requirements !== undefined) scopes.set(scope, requirements)
  }
  return scopes
}

/** containers/image wants clean absolute paths for what lies in directories, and never the root, which "" is for. */
function otherScope(transport: string, scope: string): string | undefined {
  if (scope === '' || (transport !== 'dir' && transport !== 'oci')) return scope
  const path = transport === 'oci' ? scope.replace(/:.*$/, '') : scope
  const isClean = path.startsWith('/') && path !== '/' && !/\/(?:\.{0,2})(?:\/|$)/.test(path)
  return isClean ? scope : undefined
}
