import type { Digest } from '../reference/digest.ts'
import type { ImageReference } from '../reference/image-reference.ts'
import type { Repository, Tag } from '../reference/repository.ts'

/**
 * What one replica may tell the others, named by everything that it rests on (cases 172, 176): the snapshot of policy and
 * keys, the repository or the reference as asked, and the digest of the bytes. Only acceptances are told. A refusal is
 * over as soon as a signature is there, and what could not be decided is no verdict at all (case 177).
 */
export type SharedKey =
  | {
      readonly kind: 'verdict'
      readonly snapshotId: string
      readonly reference: ImageReference
      readonly digest: Digest
    }
  /** A digest that an accepted index lists, so many indexes below what was accepted. */
  | {
      readonly kind: 'child'
      readonly snapshotId: string
      readonly repository: Repository
      readonly digest: Digest
      readonly depth: number
    }
  /** A digest that one client was told by an accepted HEAD of a tag (docs/decisions/0002-head-then-digest.md). */
  | {
      readonly kind: 'tag'
      readonly snapshotId: string
      readonly repository: Repository
      readonly digest: Digest
      readonly client: string
    }

export type SharedFact = {
  /** Whose signatures it rests on. */
  readonly signers: readonly string[]
  /** When something that it rests on ends (a certificate, a key); undefined: nothing does. */
  readonly goodUntil: Date | undefined
} & (
  | { readonly kind: 'verdict' }
  | { readonly kind: 'child'; readonly index: Digest }
  | { readonly kind: 'tag'; readonly tag: Tag }
)

export type FoundFact = { readonly fact: SharedFact; readonly expiresAt: Date }

/** A fact of the key's own kind, to be believed for `ttlMs`, or until its `goodUntil` if that is earlier. */
export type ToldFact = { readonly key: SharedKey; readonly fact: SharedFact; readonly ttlMs: number }

/** The memory that replicas share. Nothing here rejects: without it a replica goes on alone. */
export type SharedMemory = {
  /** Another number each time the connection is another one; undefined while the replica goes without. */
  readonly epoch: () => number | undefined
  /** How long one look or one telling may keep a pull waiting, milliseconds. */
  readonly timeoutMs: number
  /** What is there under each of the keys, in their order; nothing of it can be older or about anything else. */
  readonly find: (keys: readonly SharedKey[]) => Promise<readonly (FoundFact | undefined)[]>
  /** Whether all of it is there now. */
  readonly tell: (facts: readonly ToldFact[]) => Promise<boolean>
}
