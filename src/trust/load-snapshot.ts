import { isAbsolute, resolve } from 'node:path'
import { formatProblem } from '../json/decode.ts'
import { parsePolicy } from '../policy/parse-policy.ts'
import type { Policy, Requirement } from '../policy/policy.ts'
import { parseTufPlace } from '../policy/tuf-place.ts'
import type { TrustMaterial } from '../signatures/trust-material.ts'
import { areUnchanged, readLocalFile, type FileStamp } from './local-file.ts'
import { materialOf, requirementsOf } from './needed-material.ts'
import { trustPreparer } from './prepare-trust.ts'
import { materialKey, snapshotId, type LoadedMaterial, type MaterialKind, type Snapshot } from './snapshot.ts'
import { messageOf, TrustError } from './trust-error.ts'

/** Where the policy is: a file, or a resource of the key broker (by kbs URI or by name). */
export type PolicyPlace =
  { readonly kind: 'file'; readonly path: string } | { readonly kind: 'broker'; readonly resource: string }

/**
 * The key broker, as far as loading needs it.
 *
 * Returns undefined where no resource stands for that place; throws where the broker cannot give the resource.
 */
export type AskBroker = (
  place: { readonly kind: MaterialKind | 'policy'; readonly name: string },
  signal: AbortSignal,
) => Promise<{ readonly bytes: Uint8Array; readonly from: string } | undefined>

/**
 * The TUF repository, as far as loading needs it. `stale` says why a target is of an earlier refresh, if it is.
 *
 * Throws where there is no good state of the target, neither a new nor an earlier one.
 */
export type AskTuf = (
  target: string,
  signal: AbortSignal,
) => Promise<{ readonly bytes: Uint8Array; readonly from: string; readonly stale: string | undefined }>

export type SnapshotOptions = {
  readonly policy: PolicyPlace
  /** Settings that change what the policy means; they become part of the snapshot's id. */
  readonly settings: readonly string[]
  readonly askBroker: AskBroker | undefined
  readonly askTuf: AskTuf | undefined
}

export type LoadedSnapshot = {
  readonly snapshot: Snapshot
  /** Every local file that was read or missed; when one changes, the snapshot is of yesterday. */
  readonly stamps: readonly FileStamp[]
  /** What could not be refreshed and is the last good one instead, one line each. */
  readonly stale: readonly string[]
}

/** What is noted while a snapshot is loaded. */
type Notes = { readonly stamps: FileStamp[]; readonly stale: string[] }

const MAX_POLICY_BYTES = 64 * 1024 * 1024
const MAX_MATERIAL_BYTES = 1024 * 1024
/** Of all keys, certificates and keyrings of one policy together (case 191). */
const MAX_MATERIALS_BYTES = 64 * 1024 * 1024
const CONCURRENT_READS = 16
const ATTEMPTS = 4
/** So many are named at once; a policy has to be mended before the others matter. */
const MAX_PROBLEMS = 20
const TOO_MUCH = `the policy's keys, certificates and keyrings are more than ${MAX_MATERIALS_BYTES} bytes together`

/**
 * Loads a policy and all its trust material together, or nothing: if one key cannot be had there is no snapshot
 * (cases 192, 196). Files that change between the reading of the policy and of its last key start the reading anew.
 *
 * @param onStamps told of every file looked at, also when loading fails, so that a mended file is noticed
 * @throws TrustError
 */
export async function loadSnapshot(
  options: SnapshotOptions,
  signal: AbortSignal,
  onStamps: (stamps: readonly FileStamp[]) => void = () => {},
): Promise<LoadedSnapshot> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const stamps: FileStamp[] = []
    const stale: string[] = []
    try {
      const snapshot = await loadOnce(options, { stamps, stale }, signal)
      if (await areUnchanged(stamps)) return { snapshot, stamps, stale }
    } catch (error) {
      if (await areUnchanged(stamps)) throw error
    } finally {
      onStamps(stamps)
    }
  }
  throw new TrustError('UNSTABLE', ['the policy and its keys kept changing while they were read'])
}

async function loadOnce(options: SnapshotOptions, notes: Notes, signal: AbortSignal): Promise<Snapshot> {
  const policyBytes = await readPolicy(options, notes.stamps, signal)
  const policyName = options.policy.kind === 'file' ? options.policy.path : options.policy.resource
  const parsed = parsePolicy(policyBytes)
  if (!parsed.ok)
    throw new TrustError(
      'INVALID',
      parsed.problems.map(problem => `${policyName}: ${formatProblem(problem)}`),
    )
  const policy = parsed.value

  const materials = await readMaterials(policy, options, notes, signal)
  const trust = new Map<Requirement, TrustMaterial>()
  const problems: string[] = []
  const prepare = trustPreparer(materials)
  for (const requirement of requirementsOf(policy)) {
    try {
      const prepared = await prepare(requirement)
      if (prepared !== undefined) trust.set(requirement, prepared)
    } catch (error) {
      problems.push(messageOf(error))
    }
  }
  if (problems.length > 0) throw new TrustError('INVALID', [...new Set(problems)])
  const list = [...materials.values()]
  return {
    id: snapshotId(policyBytes, list, options.settings),
    policy,
    trust,
    materials: list,
    loadedAt: new Date(),
  }
}

async function readPolicy(options: SnapshotOptions, stamps: FileStamp[], signal: AbortSignal): Promise<Uint8Array> {
  const { policy, askBroker } = options
  if (policy.kind === 'file') {
    const file = await readLocalFile(policy.path, MAX_POLICY_BYTES)
    stamps.push(file.stamp)
    if (file.bytes === undefined) throw new TrustError('UNREADABLE', [`${policy.path}: no such file`])
    return file.bytes
  }
  const answer = await askBroker?.({ kind: 'policy', name: policy.resource }, signal)
  if (answer === undefined) {
    throw new TrustError('UNREADABLE', [
      `the policy ${policy.resource} is a broker's resource, but no keyBroker is configured`,
    ])
  }
  return answer.bytes
}

async function readMaterials(
  policy: Policy,
  options: SnapshotOptions,
  notes: Notes,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, LoadedMaterial>> {
  const wanted = new Map<string, { readonly kind: MaterialKind; readonly place: string }>()
  for (const requirement of requirementsOf(policy)) {
    for (const { kind, source } of materialOf(requirement)) {
      if (source.from === 'data') continue
      for (const place of source.places) wanted.set(materialKey(kind, place), { kind, place })
    }
  }
  const base = options.policy.kind === 'file' ? resolve(options.policy.path, '..') : undefined
  const queue = [...wanted.entries()]
  const loaded = new Map<string, LoadedMaterial>()
  const problems: string[] = []
  let bytes = 0
  const worker = async (): Promise<void> => {
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      const [key, { kind, place }] = next
      try {
        const material = await readMaterial(kind, place, base, options, notes, signal)
        bytes += material.bytes.byteLength
        if (bytes > MAX_MATERIALS_BYTES) throw new TrustError('INVALID', [TOO_MUCH])
        loaded.set(key, material)
      } catch (error) {
        problems.push(messageOf(error))
        // Nothing comes of it any more: the rest is not asked for, or a broker that is down would be asked ten thousand times.
        if (problems.length >= MAX_PROBLEMS) queue.length = 0
      }
    }
  }
  await Promise.all(Array.from({ length: CONCURRENT_READS }, worker))
  if (problems.length > 0) throw new TrustError('UNREADABLE', [...new Set(problems)])
  return loaded
}

/** By TUF where the policy says so. Else on this machine's disk first; what is not there is asked of the key broker (design.md section 5). */
async function readMaterial(
  kind: MaterialKind,
  place: string,
  base: string | undefined,
  options: SnapshotOptions,
  notes: Notes,
  signal: AbortSignal,
): Promise<LoadedMaterial> {
  const tuf = kind === 'trusted-root' ? parseTufPlace(place) : undefined
  if (tuf?.is === 'target') {
    const { askTuf } = options
    if (askTuf === undefined) throw new TrustError('INVALID', [`${place}: no tuf is configured`])
    const { bytes, from, stale } = await askTuf(tuf.target, signal)
    if (stale !== undefined) notes.stale.push(`${place}: ${stale}`)
    return { kind, place, from, bytes }
  }
  if (!place.startsWith('kbs:')) {
    if (base === undefined && !isAbsolute(place)) {
      throw new TrustError('INVALID', [`${place}: a policy from a key broker can only name absolute paths`])
    }
    const file = await readLocalFile(resolve(base ?? '/', place), MAX_MATERIAL_BYTES)
    notes.stamps.push(file.stamp)
    if (file.bytes !== undefined) return { kind, place, from: 'disk', bytes: file.bytes }
  }
  const answer = await options.askBroker?.({ kind, name: place }, signal)
  if (answer !== undefined) return { kind, place, from: answer.from, bytes: answer.bytes }
  const reason = place.startsWith('kbs:') ? 'no keyBroker is configured' : 'no such file, and no key broker has it'
  throw new TrustError('UNREADABLE', [`${place}: ${reason}`])
}
