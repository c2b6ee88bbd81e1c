import type { Manifest } from '../manifest/manifest.ts'
import { describeRequirement } from '../policy/format.ts'
import type { Requirement, Requirements, SignedIdentityDefault } from '../policy/policy.ts'
import { requirementsFor } from '../policy/requirements-for.ts'
import { acceptsClaim } from '../policy/signed-identity.ts'
import { formatReference, type ImageReference } from '../reference/image-reference.ts'
import type { FoundSignatures } from '../signatures/found-signatures.ts'
import { rejected, type SignatureCheck, type UntrustedSignature } from '../signatures/signature.ts'
import type { TrustMaterial } from '../signatures/trust-material.ts'
import { verifySignature } from '../signatures/verify-signature.ts'
import type { Snapshot } from '../trust/snapshot.ts'
import { clockProblem } from './clock.ts'
import {
  UndecidedError,
  type Decision,
  type Evaluation,
  type RequirementResult,
  type SignatureResult,
} from './decision.ts'
import { earliest } from './good-until.ts'

export type DecideInput = {
  readonly reference: ImageReference
  /** The bytes that would be served. */
  readonly manifest: Manifest
  readonly snapshot: Snapshot
  readonly reading: SignedIdentityDefault
  /** Finds what is attached to the manifest; asked at most once per kind, and only if some requirement needs it. */
  readonly find: FindSignatures
  readonly now: Date
  /** Goes around the checking of what was found, for those who take its time. */
  readonly verifying: Verifying
}

export type Verifying = <T>(work: () => Promise<T>) => Promise<T>

/** Which signatures a requirement may be met by: cosign's and sigstore's, or simple signing's. */
export type SignatureKind = 'sigstore' | 'simple-signing'

export type FindSignatures = (kind: SignatureKind) => Promise<FoundSignatures>

/**
 * Decides on one image: every requirement of the most specific scope must hold, and for each that asks for a signature
 * one good signature is enough. containers-policy.json(5).
 *
 * @throws UndecidedError if a look-up failed and nothing that was found settles the matter, or if it takes a clock and this
 * machine's is wrong
 */
export async function decide(input: DecideInput): Promise<Decision> {
  const { reference, manifest, snapshot } = input
  const { scope, requirements } = requirementsFor(snapshot.policy, reference)
  const results = await evaluateAll(requirements, input)
  const evaluation: Evaluation = {
    reference: formatReference(reference),
    digest: manifest.digest,
    scope,
    snapshotId: snapshot.id,
    requirements: results.map(({ result }) => result),
    leftOut: [...new Set(results.flatMap(({ leftOut }) => leftOut))],
    children: [],
  }
  const unmet = results.find(({ result }) => result.outcome === 'unmet')
  if (unmet !== undefined) return { outcome: 'refused', reason: unmet.result.reason, evaluation }
  const open = results.find(({ result }) => result.outcome === 'open')
  if (open !== undefined) throw new UndecidedError(open.result.reason, evaluation, { cause: open.cause })
  // Nothing is unmet and nothing open: said the other way round, and checked, since this is what lets bytes out.
  if (results.length === 0 || !results.every(({ result }) => result.outcome === 'met')) {
    throw new Error('a decision without requirements')
  }
  const goodUntil = earliest(evaluation.requirements.map(holdsUntil))
  return { outcome: 'accepted', via: { by: 'policy' }, signers: signersOf(evaluation), goodUntil, evaluation }
}

type Evaluated = { readonly result: RequirementResult; readonly leftOut: readonly string[]; readonly cause?: unknown }

async function evaluateAll(requirements: Requirements, input: DecideInput): Promise<readonly Evaluated[]> {
  // What refuses whatever is found needs no look-ups.
  const hopeless = requirements.find(({ type }) => type === 'reject' || type === 'signedBaseLayer')
  if (hopeless !== undefined) return [await evaluate(hopeless, input)]
  return Promise.all(requirements.map(requirement => evaluate(requirement, input)))
}

async function evaluate(requirement: Requirement, input: DecideInput): Promise<Evaluated> {
  const words = describeRequirement(requirement)
  switch (requirement.type) {
    case 'insecureAcceptAnything':
      return plain(words, 'met', 'nothing is asked for')
    case 'reject':
      return plain(words, 'unmet', 'is rejected by the policy')
    case 'signedBaseLayer':
      return plain(words, 'unmet', 'falls under signedBaseLayer, which no image can meet')
    case 'signedBy':
    case 'sigstoreSigned':
    case 'sealgate.sigstoreIdentity': {
      const trust = input.snapshot.trust.get(requirement)
      if (trust === undefined) throw new Error(`no trust material for a requirement of ${input.snapshot.id}`)
      if (trust.by === 'unbuilt')
        return plain(words, 'unmet', `falls under ${trust.what}, which this version cannot verify`)
      const untimely = clockProblem(trust, input.now)
      if (untimely !== undefined) return plain(words, 'open', untimely)
      const found = await input.find(requirement.type === 'signedBy' ? 'simple-signing' : 'sigstore')
      const results = await input.verifying(() =>
        Promise.all(
          found.signatures.map(signature => judgeSignature(signature, requirement.signedIdentity, trust, input)),
        ),
      )
      return conclude(words, found, results)
    }
  }
}

async function judgeSignature(
  signature: UntrustedSignature,
  identity: Parameters<typeof acceptsClaim>[0]['identity'],
  trust: TrustMaterial,
  input: DecideInput,
): Promise<SignatureResult> {
  const found = signature.origin.name
  const check = await checkOne(signature, trust, input)
  if (!check.verified) return { counts: false, found, code: check.rejection.code, reason: check.rejection.message }
  const { claim, signer, fingerprint, loggedAt, goodUntil } = check.signature
  const judged = acceptsClaim({ identity, reading: input.reading, reference: input.reference, claim })
  if (!judged.accepted) return { counts: false, found, code: 'WRONG_IDENTITY', reason: judged.reason }
  return {
    counts: true,
    found,
    signer,
    fingerprint,
    claim: claim.kind === 'reference' ? claim.reference : undefined,
    loggedAt: loggedAt?.toISOString(),
    goodUntil: goodUntil?.toISOString(),
  }
}

/** A signature that makes a check throw is one that does not count: it must neither count nor hide a good one (case 31). */
async function checkOne(
  signature: UntrustedSignature,
  trust: TrustMaterial,
  input: DecideInput,
): Promise<SignatureCheck> {
  try {
    return await verifySignature({ signature, trust, subject: input.manifest, now: input.now })
  } catch (error) {
    return rejected('MALFORMED', `could not be checked: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function conclude(words: string, found: FoundSignatures, signatures: readonly SignatureResult[]): Evaluated {
  const { leftOut } = found
  const failures = found.failures.map(
    ({ place, cause }) => `${place}: ${cause instanceof Error ? cause.message : String(cause)}`,
  )
  const counted = signatures.find(signature => signature.counts)
  if (counted !== undefined) {
    return {
      result: { requirement: words, outcome: 'met', reason: `signed by ${counted.signer}`, signatures, failures },
      leftOut,
    }
  }
  const [failure] = found.failures
  if (failure !== undefined) {
    const reason = `could not look for signatures: ${failures.join('; ')}`
    return {
      result: { requirement: words, outcome: 'open', reason, signatures, failures },
      leftOut,
      cause: failure.cause,
    }
  }
  const reason = `needs ${words}, ${summaryOf(signatures)}`
  return { result: { requirement: words, outcome: 'unmet', reason, signatures, failures }, leftOut }
}

/** `found none`, `found one: not made with cosign.pub`, `found 3, none of which counts: …` */
function summaryOf(signatures: readonly SignatureResult[]): string {
  const reasons = [...new Set(signatures.flatMap(signature => (signature.counts ? [] : [signature.reason])))]
  if (signatures.length === 0) return 'found none'
  if (signatures.length === 1) return `found one: ${reasons.join('')}`
  return `found ${signatures.length}, none counts: ${reasons.join('; ')}`
}

function plain(requirement: string, outcome: RequirementResult['outcome'], reason: string): Evaluated {
  return { result: { requirement, outcome, reason, signatures: [], failures: [] }, leftOut: [] }
}

/** A requirement holds as long as one of the signatures that count. */
function holdsUntil({ signatures }: RequirementResult): Date | undefined {
  const ends = signatures.flatMap(signature => (signature.counts ? [signature.goodUntil] : []))
  const times = ends.map(end => (end === undefined ? Infinity : Date.parse(end)))
  const last = Math.max(...times)
  return Number.isFinite(last) ? new Date(last) : undefined
}

function signersOf(evaluation: Evaluation): readonly string[] {
  const signers = evaluation.requirements.flatMap(({ signatures }) =>
    signatures.flatMap(signature => (signature.counts ? [signature.signer] : [])),
  )
  return [...new Set(signers)]
}
