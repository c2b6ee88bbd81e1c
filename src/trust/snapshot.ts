import { createHash } from 'node:crypto'
import type { MaterialSource, Policy, Requirement } from '../policy/policy.ts'
import type { TrustMaterial } from '../signatures/trust-material.ts'

/**
 * A policy and everything it trusts, loaded together and never changed afterwards. A request uses one snapshot from
 * start to end; a verdict is only worth anything under the snapshot it was made with.
 */
export type Snapshot = {
  /** Hash of all bytes that went into it: equal ids mean equal verdicts on equal images (attack case 172). */
  readonly id: string
  readonly policy: Policy
  /** What each signedBy and sigstoreSigned requirement of `policy` trusts; others are not in it. */
  readonly trust: ReadonlyMap<Requirement, TrustMaterial>
  /** Every piece of trust material with where it came from, for `sealgate keys`. */
  readonly materials: readonly LoadedMaterial[]
  readonly loadedAt: Date
}

/** What a piece of trust material is for. Only some kinds have a resource of their own at a key broker. */
export type MaterialKind = 'cosign-key' | 'rekor-key' | 'gpg-keyring' | 'ca' | 'trusted-root'

/** A piece of trust material that a policy names, in one of its requirements. */
export type NeededMaterial = { readonly kind: MaterialKind; readonly source: MaterialSource }

export type LoadedMaterial = {
  readonly kind: MaterialKind
  /** As the policy names it: a path, a kbs URI, or the field that holds the data. */
  readonly place: string
  /** `disk`, `policy`, or the broker or TUF repository it came from. */
  readonly from: string
  readonly bytes: Uint8Array
}

/** Hash over the bytes of a policy, its materials and settings; length-prefixed, so no two lists share one (case 176). */
export function snapshotId(
  policyBytes: Uint8Array,
  materials: readonly LoadedMaterial[],
  settings: readonly string[],
): string {
  const hash = createHash('sha256')
  const add = (bytes: Uint8Array): void => {
    hash.update(`${bytes.byteLength}:`).update(bytes)
  }
  add(policyBytes)
  for (const setting of settings) add(Buffer.from(setting))
  const sorted = [...materials].sort((a, b) => (a.place < b.place ? -1 : a.place > b.place ? 1 : 0))
  for (const material of sorted) {
    add(Buffer.from(`${material.kind} ${material.place}`))
    add(material.bytes)
  }
  return hash.digest('hex')
}

/** The key under which a named piece of material is found again; the same file may serve as two kinds. */
export function materialKey(kind: MaterialKind, place: string): string {
  return `${kind} ${place}`
}
