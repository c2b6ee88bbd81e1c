import type { JsonCursor } from '../../json/decode.ts'
import { decodeBytes, decodeExactBytes, decodeInt64, given, limitedItems } from './decode-fields.ts'

/** An entry of a transparency log as a bundle quotes it. Nothing in it has been checked but its form. */
export type UntrustedLogEntry = {
  readonly logIndex: number
  /** 32 bytes. */
  readonly logId: Buffer
  readonly kind: string
  readonly version: string
  /** Seconds since 1970; proves nothing without the signed entry timestamp (case 5). */
  readonly integratedTime: number | undefined
  readonly signedEntryTimestamp: Buffer | undefined
  readonly inclusionProof: UntrustedInclusionProof | undefined
  /** What the log holds: JSON, see log-entry-body.ts. */
  readonly body: Buffer
}

export type UntrustedInclusionProof = {
  readonly logIndex: number
  readonly treeSize: number
  readonly rootHash: Buffer
  readonly hashes: readonly Buffer[]
  readonly checkpoint: string
}

const HASH_LENGTH = 32
/** A tree of 2^53 leaves has no longer path. */
const MAX_HASHES = 64
const MAX_CHECKPOINT = 16 * 1024
/** Of a date that JavaScript can hold. */
const MAX_SECONDS = 8.64e12

export function decodeLogEntry(cursor: JsonCursor): UntrustedLogEntry | undefined {
  const entry = cursor.object({
    required: ['logId', 'kindVersion', 'canonicalizedBody'],
    optional: ['logIndex', 'integratedTime', 'inclusionPromise', 'inclusionProof'],
  })
  if (entry === undefined) return undefined
  const before = cursor.problemCount
  const kindVersion = entry.kindVersion.object({ required: ['kind', 'version'] })
  const kind = kindVersion?.kind.string()
  const version = kindVersion?.version.string()
  const logId = decodeExactBytes(entry.logId.object({ required: ['keyId'] })?.keyId, HASH_LENGTH)
  const body = decodeBytes(entry.canonicalizedBody)
  // Protobuf leaves out what is 0.
  const logIndex = decodeInt64(given(entry.logIndex)) ?? 0
  const integratedTime = decodeInt64(given(entry.integratedTime)) ?? 0
  if (integratedTime > MAX_SECONDS) cursor.fail('integratedTime is no date')
  const promise = given(entry.inclusionPromise)?.object({ required: ['signedEntryTimestamp'] })
  const signedEntryTimestamp = decodeBytes(promise?.signedEntryTimestamp)
  const proof = given(entry.inclusionProof)
  const inclusionProof = proof && decodeInclusionProof(proof)
  if (cursor.problemCount > before || kind === undefined || version === undefined || !logId || !body) return undefined
  if (signedEntryTimestamp === undefined && inclusionProof === undefined) {
    return cursor.fail('has neither a signed entry timestamp nor an inclusion proof')
  }
  if (signedEntryTimestamp !== undefined && integratedTime === 0) {
    return cursor.fail('has a signed entry timestamp, but no time')
  }
  return {
    logIndex,
    logId,
    kind,
    version,
    integratedTime: integratedTime === 0 ? undefined : integratedTime,
    signedEntryTimestamp,
    inclusionProof,
    body,
  }
}

function decodeInclusionProof(cursor: JsonCursor): UntrustedInclusionProof | undefined {
  const before = cursor.problemCount
  const proof = cursor.object({
    required: ['rootHash', 'treeSize', 'checkpoint'],
    optional: ['logIndex', 'hashes'],
  })
  if (proof === undefined) return undefined
  const logIndex = decodeInt64(given(proof.logIndex)) ?? 0
  const treeSize = decodeInt64(proof.treeSize)
  const rootHash = decodeExactBytes(proof.rootHash, HASH_LENGTH)
  const hashes = limitedItems(given(proof.hashes), MAX_HASHES, hash => decodeExactBytes(hash, HASH_LENGTH))
  const envelope = proof.checkpoint.object({ required: ['envelope'] })?.envelope
  const checkpoint = envelope?.nonEmptyString()
  if (cursor.problemCount > before || treeSize === undefined || !rootHash || !hashes || checkpoint === undefined) {
    return undefined
  }
  if (logIndex >= treeSize) return cursor.fail(`has no leaf ${logIndex} in a tree of ${treeSize}`)
  const problem = checkpointProblem(checkpoint, treeSize, rootHash)
  return problem === undefined ? { logIndex, treeSize, rootHash, hashes, checkpoint } : envelope?.fail(problem)
}

/**
 * A checkpoint says size and root again, and only what it says is signed: where it differs from the proof beside it, two
 * readers could go by two trees. https://github.com/transparency-dev/formats/blob/main/log/README.md
 */
function checkpointProblem(checkpoint: string, treeSize: number, rootHash: Buffer): string | undefined {
  if (checkpoint.length > MAX_CHECKPOINT) return `has ${checkpoint.length} characters, more than ${MAX_CHECKPOINT}`
  const [origin, size, root] = checkpoint.split('\n', 3)
  if (origin === undefined || origin === '' || size === undefined || root === undefined) return 'is not a checkpoint'
  if (size !== String(treeSize)) return 'is of a tree of another size'
  if (root !== rootHash.toString('base64')) return 'is of a tree with another root'
  return undefined
}

/** The names that have signed a checkpoint, as it says itself: lines `— <name> <base64>` after the empty line. */
export function checkpointSigners(checkpoint: string): readonly string[] {
  const signatures = checkpoint.slice(checkpoint.indexOf('\n\n') + 2)
  return signatures.split('\n').flatMap(line => {
    const [dash, name] = line.split(' ', 3)
    return dash === '\u2014' && name !== undefined && name !== '' ? [name] : []
  })
}
