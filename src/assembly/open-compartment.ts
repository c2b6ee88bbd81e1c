import { LRUCache } from 'lru-cache'
import type { ByteBudget } from '../cache/byte-budget.ts'
import { withDeadline } from '../cache/deadline.ts'
import type { Config } from '../config/config.ts'
import { AdmittedBlobs } from '../http/admitted-blobs.ts'
import { untraced } from '../observe/tracing.ts'
import type { Digest } from '../reference/digest.ts'
import type { Repository, Tag } from '../reference/repository.ts'
import type { LookasideConfig } from '../signatures/lookaside.ts'
import { DEFAULT_LOOKASIDE_LIMITS, readLookaside } from '../upstream/lookaside-client.ts'
import { ManifestStore } from '../upstream/manifest-store.ts'
import type { Upstreams } from '../upstream/upstreams.ts'
import { AdmittedDigests } from '../verdict/admitted-digests.ts'
import { createJudge, type Judge, type JudgeOptions } from '../verdict/judge.ts'
import type { ShadowedPull, ShadowResult } from '../verdict/shadow.ts'
import { createSharedJudge } from '../verdict/shared-judge.ts'
import { sharedLookUps } from '../verdict/shared-look-ups.ts'
import type { SharedMemory } from '../verdict/shared-memory.ts'
import { signatureFinder } from '../verdict/signature-finder.ts'
import { signatureRepositories } from '../verdict/signature-repositories.ts'
import { VerdictCache } from '../verdict/verdict-cache.ts'
import type { EngineObservers } from './open-observers.ts'
import type { OpenedShadow, ShadowEntries } from './open-shadow.ts'
import { signatureSourceOf } from './signature-source-of.ts'

/**
 * All that is fetched and remembered on behalf of those who see the same of the registries. What is in one compartment
 * was got with one set of credentials, and serves nobody who has others (case 152).
 */
export type Compartment = {
  readonly upstreams: Upstreams
  readonly manifests: ManifestStore
  readonly judge: Judge
  readonly admittedBlobs: AdmittedBlobs
  /** Blobs that are larger than any manifest. */
  readonly largeBlobs: LRUCache<string, true>
  /** undefined where there is no shadow policy. */
  readonly compareWithShadow: ((pull: ShadowedPull) => Promise<ShadowResult>) | undefined
  /** What was pushed or deleted is asked for anew, and what was refused in its repository is judged anew. */
  readonly forget: (repository: Repository, reference: Tag | Digest) => void
  /** Ends what is done aside. The upstreams are whoever opened them's to close. */
  readonly close: () => Promise<void>
}

/** What a compartment may hold. The tables of some are set up for all of it at once. */
export type CompartmentSizes = {
  readonly manifestBytes: number
  /** Milliseconds a manifest is kept though the registry may have deleted it, or show it to us no longer. */
  readonly manifestMs: number
  readonly tags: number
  readonly verdicts: number
  readonly admittedDigests: number
  readonly admittedBlobs: number
  readonly largeBlobs: number
  readonly told: number
  readonly shadow: ShadowEntries
}

export type CompartmentParts = {
  readonly upstreams: Upstreams
  readonly sizes: CompartmentSizes
  readonly lookaside: LookasideConfig
  readonly around: EngineObservers['around'] | undefined
  readonly shadow: OpenedShadow | undefined
  readonly shared: SharedMemory | undefined
  readonly budget: ByteBudget
}

const ADMITTED_MS = 24 * 3600 * 1000
/** Told anew while its index is pulled; shorter than in memory, since what is there may be played back until then. */
const SHARED_ADMITTED_MS = 3600 * 1000
const MANIFEST_MS = 30_000
const MS = 1000

/** Joins what fetches, finds and judges, over these upstreams. Nothing is asked before the first pull. */
export function openCompartment(config: Config, parts: CompartmentParts): Compartment {
  const { upstreams, sizes, shared } = parts
  const around = parts.around ?? untraced
  const manifests = new ManifestStore({
    fetch: (repository, reference, signal) =>
      around('manifest', async () => upstreams.forHost(repository.host)?.manifest(repository, reference, signal)),
    maxBytes: sizes.manifestBytes,
    maxTags: sizes.tags,
    tagMs: config.cache.tags * MS,
    digestMs: sizes.manifestMs,
    timeoutMs: MANIFEST_MS,
  })
  const verdicts = new VerdictCache({
    maxEntries: sizes.verdicts,
    acceptedMs: config.cache.accepted * MS,
    refusedMs: config.cache.refused * MS,
  })
  const admitted = new AdmittedDigests({ maxEntries: sizes.admittedDigests, ttlMs: ADMITTED_MS })
  const find = signatureFinder({
    sourceFor: repository => {
      const upstream = upstreams.forHost(repository.host)
      return upstream && signatureSourceOf(upstream)
    },
    lookaside: parts.lookaside,
    readLookaside: (location, signal) => readLookaside({ location, signal, limits: DEFAULT_LOOKASIDE_LIMITS }),
    elsewhere: signatureRepositories(config.signatureRepositories),
    limits: { maxSignatures: config.limits.signatures, maxSignatureBytes: config.limits.signatureBytes },
    timeoutMs: config.limits.verdictSeconds * MS,
  })
  const signaturesOf: JudgeOptions['signaturesOf'] = (reference, manifest) => {
    const look = find(reference, manifest)
    return kind => around('signatures', () => look(kind))
  }
  const manifestOf: JudgeOptions['manifestOf'] = (repository, digest) =>
    manifests.get({ by: 'digest', repository, digest })
  const blobOf: JudgeOptions['blobOf'] = async (repository, descriptor) => {
    const upstream = upstreams.forHost(repository.host)
    if (upstream === undefined) return undefined
    return withDeadline(config.limits.verdictSeconds * MS, signal =>
      signatureSourceOf(upstream).blob(repository, descriptor, signal),
    )
  }
  const lookUps = sharedLookUps(signaturesOf)
  const shadow = parts.shadow?.judgeOver({ signaturesOf: lookUps.second, manifestOf, blobOf, entries: sizes.shadow })
  const alone = createJudge({
    reading: config.signedIdentityDefault,
    index: config.index,
    indexDepth: config.indexDepth,
    verdicts,
    admitted,
    signaturesOf: shadow === undefined ? signaturesOf : lookUps.first,
    manifestOf,
    blobOf,
    verifying: work => around('verification', work),
    budget: parts.budget,
  })
  const judge =
    shared === undefined
      ? alone
      : createSharedJudge({
          judge: alone,
          verdicts,
          admitted,
          shared,
          indexDepth: config.indexDepth,
          acceptedMs: config.cache.accepted * MS,
          admittedMs: SHARED_ADMITTED_MS,
          maxTold: sizes.told,
        })
  return {
    upstreams,
    manifests,
    judge,
    admittedBlobs: new AdmittedBlobs(sizes.admittedBlobs),
    largeBlobs: new LRUCache({ max: sizes.largeBlobs }),
    compareWithShadow: shadow?.compare,
    forget(repository, reference) {
      manifests.forget(repository, reference)
      verdicts.forgetRefusals(repository)
    },
    async close() {
      await shadow?.close()
    },
  }
}
