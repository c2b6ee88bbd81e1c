import { decodeBase64 } from '../json/base64.ts'
import type { JsonCursor } from '../json/decode.ts'
import type { MaterialSource } from './policy.ts'

/** The names of the fields that give one piece of trust material: one or several places, one or several contents. */
export type MaterialFields = {
  /** For messages. */
  readonly name: string
  readonly one: string
  readonly many?: string
  readonly data: string
  readonly manyData?: string
}

/**
 * Reads the one field of several that says where trust material is.
 *
 * @param need `required`: none of the fields is a problem; `optional`: it is undefined
 */
export function materialIn(
  cursor: JsonCursor,
  fields: Readonly<Record<string, JsonCursor | undefined>>,
  names: MaterialFields,
  need: 'required' | 'optional',
): MaterialSource | undefined {
  const known = [names.one, names.many, names.data, names.manyData].filter(name => name !== undefined)
  const given = known.filter(name => fields[name] !== undefined)
  const [field, another] = given
  if (field === undefined) {
    return need === 'required' ? cursor.fail(`needs its ${names.name}: exactly one of ${known.join(', ')}`) : undefined
  }
  const value = fields[field]
  if (another !== undefined || value === undefined) return cursor.fail(`only one of ${known.join(', ')} may be given`)
  switch (field) {
    case names.one: {
      const place = value.nonEmptyString()
      return place === undefined ? undefined : { from: 'places', field, places: [place] }
    }
    case names.data: {
      const bytes = decodeData(value)
      return bytes && { from: 'data', field, data: [bytes] }
    }
    case names.many: {
      const places = listOf(value, item => item.nonEmptyString())
      return places && { from: 'places', field, places }
    }
    default: {
      const data = listOf(value, decodeData)
      return data && { from: 'data', field, data }
    }
  }
}

function listOf<T>(cursor: JsonCursor, decode: (item: JsonCursor) => T | undefined): readonly [T, ...T[]] | undefined {
  const items = cursor.items()
  if (items === undefined) return undefined
  if (items.length === 0) return cursor.fail('must not be empty')
  const [first, ...others] = items.map(decode).filter(value => value !== undefined)
  return first !== undefined && others.length + 1 === items.length ? [first, ...others] : undefined
}

/** Base64 as Go's encoding/json reads []byte: standard alphabet, padded, line ends ignored. */
function decodeData(cursor: JsonCursor): Uint8Array | undefined {
  const text = cursor.nonEmptyString()?.replace(/[\r\n]/g, '')
  if (text === undefined) return undefined
  const bytes = decodeBase64(text)
  if (bytes === undefined || bytes.length === 0) {
    const hint = text.includes('BEGIN') ? '; it looks like the PEM itself, which has to be encoded once more' : ''
    return cursor.fail(`is not base64${hint}`)
  }
  return bytes
}
