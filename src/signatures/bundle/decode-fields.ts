import { decodeBase64 } from '../../json/base64.ts'
import type { JsonCursor } from '../../json/decode.ts'

/** Protobuf's JSON writes an absent message as null or not at all. */
export function given(cursor: JsonCursor | undefined): JsonCursor | undefined {
  return cursor === undefined || cursor.node.kind === 'null' ? undefined : cursor
}

/** Bytes in canonical base64, at least one of them; undefined is passed on, for a problem that was already reported. */
export function decodeBytes(cursor: JsonCursor | undefined): Buffer | undefined {
  const text = cursor?.nonEmptyString()
  if (cursor === undefined || text === undefined) return undefined
  const bytes = decodeBase64(text)
  return bytes === undefined ? cursor.fail('is not base64') : Buffer.from(bytes)
}

/** Bytes of exactly one length: a digest, an id. */
export function decodeExactBytes(cursor: JsonCursor | undefined, length: number): Buffer | undefined {
  const bytes = decodeBytes(cursor)
  if (cursor === undefined || bytes === undefined || bytes.byteLength === length) return bytes
  return cursor.fail(`has ${bytes.byteLength} bytes, not ${length}`)
}

const DECIMAL = /^(?:0|[1-9][0-9]{0,15})$/

/**
 * Protobuf's int64: a decimal text, or a number. `BigInt` would take "0x10" and "" as well (case 18).
 *
 * @returns a whole number from 0 to 2^53 - 1
 */
export function decodeInt64(cursor: JsonCursor | undefined): number | undefined {
  if (cursor === undefined) return undefined
  if (cursor.node.kind === 'number') return cursor.integer(0)
  const text = cursor.string()
  if (text === undefined) return undefined
  const value = DECIMAL.test(text) ? Number(text) : Number.NaN
  return Number.isSafeInteger(value) ? value : cursor.fail('is not a whole number')
}

/** The items of a list that may be absent, decoded; too many, or a bad one, are a problem of the document. */
export function limitedItems<T>(
  cursor: JsonCursor | undefined,
  max: number,
  decode: (item: JsonCursor) => T | undefined,
): readonly T[] | undefined {
  if (cursor === undefined) return []
  const items = cursor.items()
  if (items === undefined) return undefined
  if (items.length > max) return cursor.fail(`has ${items.length} entries, more than ${max}`)
  const decoded = items.map(decode).filter(item => item !== undefined)
  return decoded.length === items.length ? decoded : undefined
}
