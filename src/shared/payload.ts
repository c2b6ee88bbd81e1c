import { decodeJson, type JsonCursor } from '../json/decode.ts'
import { parseDigest } from '../reference/digest.ts'
import { isTag } from '../reference/repository.ts'
import type { SharedFact } from '../verdict/shared-memory.ts'
import { MAX_ENTRY_BYTES } from './entry.ts'

const MAX_SIGNERS = 100
const MAX_DATE = 8_640_000_000_000_000

/** A fact as the bytes that are sealed. */
export function encodeFact(fact: SharedFact): Buffer {
  const { kind, signers, goodUntil } = fact
  const source = fact.kind === 'child' ? { index: fact.index } : fact.kind === 'tag' ? { tag: fact.tag } : {}
  const end = goodUntil === undefined ? {} : { goodUntil: goodUntil.getTime() }
  return Buffer.from(JSON.stringify({ kind, signers, ...source, ...end }))
}

/**
 * Reads a payload whose MAC held, as strictly as if it had not: another replica may have a fault.
 *
 * @returns undefined for anything but a fact of this kind
 */
export function decodeFact(bytes: Uint8Array, kind: SharedFact['kind']): SharedFact | undefined {
  const decoded = decodeJson(bytes, root => decodeRoot(root, kind), { maxBytes: MAX_ENTRY_BYTES, maxDepth: 3 })
  return decoded.ok ? decoded.value : undefined
}

function decodeRoot(root: JsonCursor, kind: SharedFact['kind']): SharedFact | undefined {
  const source = kind === 'child' ? (['index'] as const) : kind === 'tag' ? (['tag'] as const) : ([] as const)
  const fields = root.object<'kind' | 'signers', 'index' | 'tag' | 'goodUntil'>({
    required: ['kind', 'signers'],
    optional: [...source, 'goodUntil'],
  })
  if (fields === undefined) return undefined
  if (fields.kind.string() !== kind) return root.fail(`is no ${kind}`)
  const signers = decodeSigners(fields.signers)
  const goodUntil = fields.goodUntil?.integer(0, MAX_DATE)
  if (signers === undefined || (fields.goodUntil !== undefined && goodUntil === undefined)) return undefined
  const grounds = { signers, goodUntil: goodUntil === undefined ? undefined : new Date(goodUntil) }
  switch (kind) {
    case 'verdict':
      return { kind, ...grounds }
    case 'child': {
      const index = parseDigest(fields.index?.string() ?? '')
      return index === undefined ? root.fail('names no index') : { kind, index, ...grounds }
    }
    case 'tag': {
      const tag = fields.tag?.string() ?? ''
      return isTag(tag) ? { kind, tag, ...grounds } : root.fail('names no tag')
    }
  }
}

function decodeSigners(cursor: JsonCursor): readonly string[] | undefined {
  const items = cursor.items()
  if (items === undefined) return undefined
  if (items.length > MAX_SIGNERS) return cursor.fail('too many signers')
  const signers: string[] = []
  for (const item of items) {
    const signer = item.string()
    if (signer === undefined) return undefined
    signers.push(signer)
  }
  return signers
}
