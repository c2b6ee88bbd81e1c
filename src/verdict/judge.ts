import type { ByteBudget } from '../cache/byte-budget.ts'
import { claimsSignatures, type ImageIndex, type Manifest } from '../manifest/manifest.ts'
import type { SignedIdentityDefault } from '../policy/policy.ts'
import { requirementsFor } from '../policy/requirements-for.ts'
import type { Digest } from '../reference/digest.ts'
import { formatReference, type ImageReference } from '../reference/image-reference.ts'
import type { Repository } from '../reference/repository.ts'
import type { Snapshot } from '../trust/snapshot.ts'
import { earliest } from './good-until.ts'
import { heldSignatures, type HeldSignatures } from './held-signatures.ts'
import type { AdmittedDigests, Grounds } from './admitted-digests.ts'
import { decide, type FindSignatures, type Verifying } from './decide.ts'
import { UndecidedError, type Accepted, type AcceptedVia, type Decision, type Evaluation } from './decision.ts'
import { holdsDocumentsOnly, type BlobOf } from './signature-artifact.ts'
import type { CachedDecision, VerdictCache } from './verdict-cache.ts'

export type JudgeOptions = {
  readonly reading: SignedIdentityDefault
  readonly index: 'covers' | 'children'
  /** How deep indexes may nest: 1 is an index of images. */
  readonly indexDepth: number
  readonly verdicts: VerdictCache
  readonly admitted: AdmittedDigests
  /** What is attached to a manifest of a repository. */
  readonly signaturesOf: (reference: ImageReference, manifest: Manifest) => FindSignatures
  /** A manifest of the repository by digest; undefined where the upstream has none. Throws where it can't be had. */
  readonly manifestOf: (repository: Repository, digest: Digest) => Promise<Manifest | undefined>
  readonly blobOf: BlobOf
  /** Goes around the checking of signatures, for those who take its time. */
  readonly verifying?: Verifying
  /** What all verdicts under way may hold of signatures; without, as much as they find. */
  readonly budget?: ByteBudget
}

export type JudgeInput = {
  readonly reference: ImageReference
  readonly manifest: Manifest
  readonly snapshot: Snapshot
  /** Who asks, as far as it matters for a digest that followed from a tag. */
  readonly client: string
}

export type Judge = {
  /** The decision where it needs no work, for the hot path. */
  readonly peek: (input: JudgeInput) => Decision | undefined
  /** @throws UndecidedError */
  readonly judge: (input: JudgeInput) => Promise<CachedDecision>
  /** Call before an accepted HEAD of a tag is answered with a digest; wait for the promise if there is one. */
  readonly announce: (accepted: Accepted, reference: ImageReference, client: string) => Promise<void> | undefined
}

const COSIGN_TAG = /^sha(?:256-[0-9a-f]{64}|512-[0-9a-f]{128})\.(?:sig|att|sbom)$/

/**
 * The rules around `decide`: what may pass because of another verdict (the children of an accepted index, the digest a
 * tag was said to be), what cannot be run at all, and the indexes whose children are judged one by one.
 */
export function createJudge(options: JudgeOptions): Judge {
  const { verdicts, admitted, verifying = plainly } = options

  function settled({ reference, manifest, snapshot, client }: JudgeInput): Decision | undefined {
    const { policy } = snapshot
    if (reference.by === 'tag') return undefined
    const admission = admitted.find(snapshot.id, reference.repository, manifest.digest, client)
    if (admission === undefined) return undefined
    // A scope written for this very digest is about nothing else: it is heard, whoever lists the digest.
    if (policy.transports.get('docker')?.has(formatReference(reference)) === true) return undefined
    if (manifest.kind === 'index') {
      if (admission.depth >= options.indexDepth) return undefined
      admit(reference.repository, manifest, snapshot, admission)
    }
    return acceptedVia(admission, reference, manifest, snapshot)
  }

  function admit(
    repository: Repository,
    { digest, children }: ImageIndex,
    snapshot: Snapshot,
    { depth, ...grounds }: Grounds & { readonly depth: number },
  ): void {
    const index = { digest, children: children.map(child => child.digest), depth }
    admitted.admitChildren(snapshot.id, repository, index, grounds)
  }

  /** What verifies behind the gate may have what it verifies by; the policy is asked about all else. */
  async function decideAny(input: JudgeInput): Promise<Decision> {
    const { reference, manifest, snapshot } = input
    const isAsked = reference.by === 'digest' || COSIGN_TAG.test(reference.tag)
    if (!isAsked || !claimsSignatures(manifest)) return decideOne(input)
    let areDocuments: boolean
    try {
      areDocuments = await holdsDocumentsOnly(reference.repository, manifest, options.blobOf, options.budget)
    } catch (cause) {
      const message = `could not read what is attached: ${cause instanceof Error ? cause.message : String(cause)}`
      throw new UndecidedError(message, evaluationOf(reference, manifest, snapshot), { cause })
    }
    if (!areDocuments) return decideOne(input)
    const accepted = { via: { by: 'signature-artifact' }, signers: [], goodUntil: undefined } as const
    return acceptedVia(accepted, reference, manifest, snapshot)
  }

  async function decideOne(input: JudgeInput): Promise<Decision> {
    const held = heldSignatures(options.budget)
    try {
      return await decideHolding(input, held)
    } finally {
      held.release()
    }
  }

  async function decideHolding(input: JudgeInput, held: HeldSignatures): Promise<Decision> {
    const { reference, manifest, snapshot } = input
    const find = memoised(held.within(options.signaturesOf(reference, manifest)))
    const decision = await decide({
      reference,
      manifest,
      snapshot,
      reading: options.reading,
      find,
      now: new Date(),
      verifying,
    })
    if (decision.outcome === 'accepted' || manifest.kind === 'image' || options.index === 'covers') return decision
    return decideChildren(input, manifest, decision.evaluation, decision.reason, held)
  }

  /** `index: children`: an index that is not accepted itself passes if every child does, by itself. */
  async function decideChildren(
    input: JudgeInput,
    index: ImageIndex,
    own: Evaluation,
    reason: string,
    held: HeldSignatures,
    depth = 1,
  ): Promise<Decision> {
    const { reference, snapshot } = input
    if (index.children.length === 0 || depth > options.indexDepth)
      return { outcome: 'refused', reason, evaluation: own }
    const children: Decision[] = []
    for (const { digest } of index.children) {
      const manifest = await options.manifestOf(reference.repository, digest)
      if (manifest === undefined) throw new UndecidedError(`its child ${digest} is missing upstream`, own, {})
      const find = memoised(held.within(options.signaturesOf(reference, manifest)))
      let child = await decide({
        reference,
        manifest,
        snapshot,
        reading: options.reading,
        find,
        now: new Date(),
        verifying,
      })
      if (child.outcome === 'refused' && manifest.kind === 'index') {
        child = await decideChildren({ ...input, manifest }, manifest, child.evaluation, child.reason, held, depth + 1)
      }
      children.push(child)
      if (child.outcome === 'refused') break
    }
    const evaluation = { ...own, children: children.map(child => child.evaluation) }
    const refusal = children.find(child => child.outcome === 'refused')
    if (refusal?.outcome === 'refused') {
      return {
        outcome: 'refused',
        reason: `${reason}; its child ${refusal.evaluation.digest} ${refusal.reason}`,
        evaluation,
      }
    }
    const accepted = children.filter(child => child.outcome === 'accepted')
    const signers = [...new Set(accepted.flatMap(child => child.signers))]
    const goodUntil = earliest(accepted.map(child => child.goodUntil))
    return { outcome: 'accepted', via: { by: 'children' }, signers, goodUntil, evaluation }
  }

  function noteChildren(input: JudgeInput, decision: Decision): void {
    const { reference, manifest, snapshot } = input
    if (decision.outcome !== 'accepted' || manifest.kind !== 'index') return
    const { signers, goodUntil } = decision
    admit(reference.repository, manifest, snapshot, { signers, goodUntil, depth: 0 })
  }

  return {
    peek(input) {
      const decision = settled(input) ?? verdicts.peek(input.snapshot.id, input.reference, input.manifest.digest)
      if (decision?.outcome === 'accepted' && decision.via.by !== 'index') noteChildren(input, decision)
      return decision
    },
    async judge(input) {
      const { reference, manifest, snapshot } = input
      const decision = settled(input)
      if (decision !== undefined) return { decision, cached: true }
      const judged = await verdicts.get(snapshot.id, reference, manifest.digest, () => decideAny(input))
      noteChildren(input, judged.decision)
      return judged
    },
    announce({ evaluation, signers, goodUntil }, reference, client) {
      if (reference.by !== 'tag') return undefined
      const announced = { tag: reference.tag, digest: evaluation.digest, signers, goodUntil }
      admitted.admitTag(evaluation.snapshotId, reference.repository, announced, client)
      return undefined
    },
  }
}

/** An acceptance that took no evaluation of its own: what it rests on was found out before. */
export function acceptedVia(
  { via, signers, goodUntil }: Grounds & { readonly via: AcceptedVia },
  reference: ImageReference,
  manifest: Manifest,
  snapshot: Snapshot,
): Accepted {
  return { outcome: 'accepted', via, signers, goodUntil, evaluation: evaluationOf(reference, manifest, snapshot) }
}

/** One in which no requirement was looked at. */
function evaluationOf(reference: ImageReference, { digest }: Manifest, snapshot: Snapshot): Evaluation {
  const { scope } = requirementsFor(snapshot.policy, reference)
  return {
    reference: formatReference(reference),
    digest,
    scope,
    snapshotId: snapshot.id,
    requirements: [],
    leftOut: [],
    children: [],
  }
}

/** One look for each kind of signature, however many requirements ask for it. */
function memoised(find: FindSignatures): FindSignatures {
  const asked = new Map<Parameters<FindSignatures>[0], ReturnType<FindSignatures>>()
  return kind => {
    const known = asked.get(kind) ?? find(kind)
    asked.set(kind, known)
    return known
  }
}

const plainly: Verifying = work => work()
