import type { JsonCursor } from '../json/decode.ts'
import { parseDockerReference, type DockerReference } from '../reference/image-reference.ts'
import { parseRegistryHost } from '../reference/repository.ts'
import type { SignedIdentity } from './policy.ts'

/** containers-policy.json(5), "signedIdentity". */
export function decodeSignedIdentity(cursor: JsonCursor): SignedIdentity | undefined {
  if (cursor.entries() === undefined) return undefined
  const typeCursor = cursor.member('type')
  if (typeCursor === undefined) return cursor.fail('missing key "type"')
  const type = typeCursor.string()
  switch (type) {
    case undefined:
      return undefined
    case 'matchExact':
    case 'matchRepoDigestOrExact':
    case 'matchRepository':
      return cursor.object({ required: ['type'] }) && { type }
    case 'exactReference': {
      const field = cursor.object({ required: ['type', 'dockerReference'] })?.dockerReference
      const reference = field && decodeReference(field)
      if (field === undefined || reference === undefined) return undefined
      if (reference.tag === undefined && reference.digest === undefined) return field.fail('needs a tag or a digest')
      return { type, reference }
    }
    case 'exactRepository': {
      const field = cursor.object({ required: ['type', 'dockerRepository'] })?.dockerRepository
      const repository = field && decodeReference(field)
      return repository && { type, repository }
    }
    case 'remapIdentity': {
      const fields = cursor.object({ required: ['type', 'prefix', 'signedPrefix'] })
      const prefix = fields && decodePrefix(fields.prefix)
      const signedPrefix = fields && decodePrefix(fields.signedPrefix)
      return prefix !== undefined && signedPrefix !== undefined ? { type, prefix, signedPrefix } : undefined
    }
    default:
      return typeCursor.fail(`there is no identity type ${JSON.stringify(type)}`)
  }
}

function decodeReference(cursor: JsonCursor): DockerReference | undefined {
  const text = cursor.string()
  if (text === undefined) return undefined
  return parseDockerReference(text) ?? cursor.fail(`${JSON.stringify(text)} is not an image reference`)
}

/** A host, or a host and the beginning of a path in whole components; never with a tag or a digest. */
function decodePrefix(cursor: JsonCursor): string | undefined {
  const text = cursor.string()
  if (text === undefined) return undefined
  const slash = text.indexOf('/')
  const host = parseRegistryHost(slash === -1 ? text : text.slice(0, slash))
  const rest = slash === -1 ? '' : text.slice(slash)
  const isPath = rest === '' || /^(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)+$/.test(rest)
  return host !== undefined && isPath
    ? `${host}${rest}`
    : cursor.fail(`${JSON.stringify(text)} is not a host or repository prefix`)
}
