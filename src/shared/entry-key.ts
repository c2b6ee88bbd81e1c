import { createHmac } from 'node:crypto'
import { repositoryName } from '../reference/repository.ts'
import type { SharedKey } from '../verdict/shared-memory.ts'

/**
 * A key as bytes that no other key has: every part with its length before it, so that no two tuples share them (case 176).
 *
 * @param context what verdicts depend on beyond the snapshot: version of the program, settings. Entries of replicas that
 *   differ in it are invisible to each other (case 183)
 */
export function keyBytes(key: SharedKey, context: readonly string[]): Buffer {
  const parts = [String(context.length), ...context, key.kind, key.snapshotId, ...partsOf(key)]
  return Buffer.concat(
    parts.flatMap(part => {
      const bytes = Buffer.from(part)
      return [Buffer.from(`${bytes.byteLength}:`), bytes]
    }),
  )
}

function partsOf(key: SharedKey): readonly string[] {
  switch (key.kind) {
    case 'verdict': {
      const { reference, digest } = key
      const asked = reference.by === 'tag' ? reference.tag : reference.digest
      return [repositoryName(reference.repository), reference.by, asked, digest]
    }
    case 'child':
      return [repositoryName(key.repository), key.digest, String(key.depth)]
    case 'tag':
      return [repositoryName(key.repository), key.digest, key.client]
  }
}

/** The name of an entry in Redis: a keyed hash, so that it neither tells of private repositories (case 182) nor lets anything into the protocol (case 175). */
export function entryName(bytes: Uint8Array, nameKey: Uint8Array, prefix: string): string {
  return `${prefix}${createHmac('sha256', nameKey).update(bytes).digest('hex')}`
}
