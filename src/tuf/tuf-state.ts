import { decodeBase64 } from '../json/base64.ts'
import { decodeJson, formatProblem, type JsonCursor } from '../json/decode.ts'

/**
 * What a refresh has verified, and the next one has to start from: every root after the pinned one, so that a key that was
 * rotated away stays away, and the versions that must not be undercut. Trusted for nothing by itself: it is verified from
 * the pinned root on whenever it is used.
 */
export type TufState = {
  /** The root of the version after the pinned one, and so on, without gaps. */
  readonly roots: readonly Buffer[]
  readonly timestamp: Buffer
  readonly snapshot: Buffer
  readonly targets: Buffer
  /** The target itself. */
  readonly target: Buffer
}

export type DecodedState =
  { readonly ok: true; readonly state: TufState } | { readonly ok: false; readonly problem: string }

const LIMITS = { maxBytes: 64 * 1024 * 1024, maxDepth: 4 }

/** As it is kept on disk: JSON, the files in base64. */
export function encodeState({ roots, timestamp, snapshot, targets, target }: TufState): string {
  return JSON.stringify({
    roots: roots.map(inBase64),
    timestamp: inBase64(timestamp),
    snapshot: inBase64(snapshot),
    targets: inBase64(targets),
    target: inBase64(target),
  })
}

function inBase64(bytes: Buffer): string {
  return bytes.toString('base64')
}

export function decodeState(bytes: Uint8Array): DecodedState {
  const decoded = decodeJson(bytes, decodeFiles, LIMITS)
  return decoded.ok ? { ok: true, state: decoded.value } : { ok: false, problem: formatProblem(decoded.problems[0]) }
}

function decodeFiles(root: JsonCursor): TufState | undefined {
  const fields = root.object({ required: ['roots', 'timestamp', 'snapshot', 'targets', 'target'] })
  const items = fields?.roots.items()
  if (fields === undefined || items === undefined) return undefined
  const roots = items.map(decodeFile).filter(one => one !== undefined)
  const timestamp = decodeFile(fields.timestamp)
  const snapshot = decodeFile(fields.snapshot)
  const targets = decodeFile(fields.targets)
  const target = decodeFile(fields.target)
  if (roots.length !== items.length || !timestamp || !snapshot || !targets || !target) return undefined
  return { roots, timestamp, snapshot, targets, target }
}

function decodeFile(cursor: JsonCursor): Buffer | undefined {
  const text = cursor.nonEmptyString()
  if (text === undefined) return undefined
  const bytes = decodeBase64(text)
  return bytes === undefined ? cursor.fail('is not base64') : Buffer.from(bytes)
}
