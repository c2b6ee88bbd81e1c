import { decodeJson, formatProblem, type JsonCursor } from '../json/decode.ts'
import { isDigest, type Digest } from '../reference/digest.ts'
import { formatReference, parseImageReference, type ImageReference } from '../reference/image-reference.ts'
import type { RecordedDecision } from '../verdict/replay.ts'
import type { RestingVia } from '../verdict/rested-on.ts'
import type { Judged } from '../verdict/enforcement.ts'

export type ParsedRecord =
  { readonly ok: true; readonly recorded: RecordedDecision } | { readonly ok: false; readonly problem: string }

const LIMITS = { maxBytes: 16 * 1024 * 1024, maxDepth: 32 }

/** Reads one line of an audit log, as far as it is needed to judge the same bytes again. */
export function parseRecord(untrustedLine: string): ParsedRecord {
  const decoded = decodeJson(Buffer.from(untrustedLine), decodeRecord, LIMITS)
  if (decoded.ok) return { ok: true, recorded: decoded.value }
  return { ok: false, problem: formatProblem(decoded.problems[0]) }
}

function decodeRecord(root: JsonCursor): RecordedDecision | undefined {
  if (root.entries() === undefined) return undefined
  const reference = field(root, 'reference', referenceOf)
  const digest = field(root, 'digest', text => (isDigest(text) ? text : undefined))
  const code = field(root, 'code', text => text)
  const outcome = field(root, 'verdict', text => outcomeOf(text, code))
  if (reference === undefined || digest === undefined || outcome === undefined) return undefined
  return { reference, digest, outcome, via: viaOf(root.member('via')) }
}

function field<T>(root: JsonCursor, name: string, read: (text: string) => T | undefined): T | undefined {
  const cursor = root.member(name)
  if (cursor === undefined) return root.fail(`has no "${name}"`)
  const text = cursor.string()
  if (text === undefined) return undefined
  return read(text) ?? cursor.fail('is not what a record of a decision has there')
}

/** Only in the form that records have: nothing is added or folded. */
function referenceOf(text: string): ImageReference | undefined {
  const reference = parseImageReference(text)
  return reference !== undefined && formatReference(reference) === text ? reference : undefined
}

/** The policy's own verdict, before modes and exceptions. */
function outcomeOf(verdict: string, code: string | undefined): Judged['outcome'] | undefined {
  switch (verdict) {
    case 'accepted':
    case 'refused':
    case 'undecided':
      return verdict
    case 'excepted':
      return 'refused'
    case 'audited':
      return code === 'undecided' ? 'undecided' : 'refused'
    default:
      return undefined
  }
}

/** Those verdicts that rested on another one; the rest stand for themselves. */
function viaOf(cursor: JsonCursor | undefined): RestingVia | undefined {
  if (cursor?.entries() === undefined) return undefined
  const by = cursor.member('by')?.string()
  if (by === 'index') {
    const index: Digest | undefined = field(cursor, 'index', text => (isDigest(text) ? text : undefined))
    return index && { by, index }
  }
  if (by === 'tag') {
    const tag = field(cursor, 'tag', text => text)
    return tag === undefined ? undefined : { by, tag }
  }
  return undefined
}
