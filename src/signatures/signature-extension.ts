import { decodeJson, formatProblem, type JsonCursor } from '../json/decode.ts'
import { type Digest } from '../reference/digest.ts'
import type { Repository } from '../reference/repository.ts'
import { decodeBase64 } from '../json/base64.ts'
import { NOTHING_FOUND, type FoundSignatures } from './found-signatures.ts'
import type { FindLimits } from './find-sig-tag.ts'
import type { UntrustedSignature } from './signature.ts'

/** A registry that answers `GET /v2/` with this header, of value 1, has the API of this file. */
export const SIGNATURE_EXTENSION_HEADER = 'x-registry-supports-signatures'

const SCHEMA_VERSION = 2
const ATOMIC = 'atomic'

/** OpenShift's extension of the distribution API, beside /v2. docs/signature-protocols.md of containers/image. */
export function signatureExtensionPath(repository: Repository, digest: Digest): string {
  return `/extensions/v2/${repository.path}/signatures/${digest}`
}

/**
 * The GPG signatures that a registry keeps itself.
 *
 * @param fetchJson reads a path of the registry; undefined for 404, throws where it could not be found out
 */
export async function findInSignatureExtension(args: {
  readonly fetchJson: (path: string) => Promise<Uint8Array | undefined>
  readonly repository: Repository
  readonly digest: Digest
  readonly limits: FindLimits
}): Promise<FoundSignatures> {
  const path = signatureExtensionPath(args.repository, args.digest)
  let untrustedList: Uint8Array | undefined
  try {
    untrustedList = await args.fetchJson(path)
  } catch (cause) {
    return { signatures: [], failures: [{ place: `the registry's ${path}`, cause }], leftOut: [] }
  }
  return untrustedList === undefined ? NOTHING_FOUND : parseSignatureList(untrustedList, args.limits)
}

/**
 * Reads `{"signatures":[{"schemaVersion":2,"name":…,"type":"atomic","content":base64}]}`. Entries of other versions and
 * types are passed over, as are other fields: the document says so. A list that cannot be read is one unusable signature.
 */
export function parseSignatureList(untrustedList: Uint8Array, limits: FindLimits): FoundSignatures {
  const decoded = decodeJson(untrustedList, decodeList)
  if (!decoded.ok) {
    const problem = `cannot be read: ${formatProblem(decoded.problems[0])}`
    return { signatures: [unusable('signature list', problem)], failures: [], leftOut: [] }
  }
  const found = decoded.value
  const leftOut =
    found.length > limits.maxSignatures
      ? [`the registry lists ${found.length} signatures; only the first ${limits.maxSignatures} were looked at`]
      : []
  const signatures = found.slice(0, limits.maxSignatures).map((content, index): UntrustedSignature => {
    const name = `registry signature ${index + 1}`
    const untrustedBytes = decodeBase64(content)
    if (untrustedBytes === undefined) return unusable(name, 'its content is not base64')
    if (untrustedBytes.byteLength > limits.maxSignatureBytes) {
      return unusable(name, `has ${untrustedBytes.byteLength} bytes, more than ${limits.maxSignatureBytes}`)
    }
    return { format: 'gpg', origin: { place: 'registry-extension', name }, untrustedBytes }
  })
  return { signatures, failures: [], leftOut }
}

/** The contents of the entries that count, still in base64. */
function decodeList(root: JsonCursor): readonly string[] | undefined {
  const list = root.member('signatures') ?? root.fail('has no signatures')
  if (list === undefined) return undefined
  // An empty list is null in Go's JSON.
  if (list.node.kind === 'null') return []
  return list.items()?.flatMap(item => {
    const version = item.member('schemaVersion')?.node
    const type = item.member('type')?.node
    const isVersion2 = version?.kind === 'number' && version.text === String(SCHEMA_VERSION)
    if (!isVersion2 || type?.kind !== 'string' || type.value !== ATOMIC) return []
    const content = item.member('content')?.node
    return [content?.kind === 'string' ? content.value : '']
  })
}

function unusable(name: string, problem: string): UntrustedSignature {
  return { format: 'unusable', origin: { place: 'registry-extension', name }, problem }
}
