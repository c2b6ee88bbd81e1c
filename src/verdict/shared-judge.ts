import { LRUCache } from 'lru-cache'
import { SingleFlight } from '../cache/single-flight.ts'
import { formatReference } from '../reference/image-reference.ts'
import { repositoryName } from '../reference/repository.ts'
import type { AdmittedDigests } from './admitted-digests.ts'
import type { Accepted, Decision } from './decision.ts'
import type { Judge, JudgeInput } from './judge.ts'
import { clientKeysFor, keysFor, learn } from './learn-facts.ts'
import type { SharedKey, SharedMemory, ToldFact } from './shared-memory.ts'
import type { CachedDecision, VerdictCache } from './verdict-cache.ts'

export type SharedJudgeOptions = {
  readonly judge: Judge
  readonly verdicts: VerdictCache
  readonly admitted: AdmittedDigests
  readonly shared: SharedMemory
  readonly indexDepth: number
  /** Milliseconds a verdict is told for; 0: verdicts are not shared. */
  readonly acceptedMs: number
  /** Milliseconds an admission is told for. It is told anew whenever its index or tag is pulled. */
  readonly admittedMs: number
  /** How much of what was told is remembered, so that it is not told at each pull. */
  readonly maxTold: number
}

/** So long what was told is taken to be there still: the other side may evict or forget without a word. */
const TOLD_MS = 30_000
const NOT_TOLD_MS = 5_000

/**
 * A judge that asks the shared memory before it works and tells it afterwards. What it learns goes into the caches of
 * this replica, under the rules that are the judge's own. The hot path waits for nothing: only what has to be asked or
 * told takes the slow one, and an index is answered when its children are known to the others, so that a client may pull
 * them from any of these.
 */
export function createSharedJudge(options: SharedJudgeOptions): Judge {
  const { judge, admitted, shared } = options
  const told = new LRUCache<string, { readonly epoch: number; readonly until: number }>({ max: options.maxTold })
  const telling = new SingleFlight<void>()
  const learning = new SingleFlight<void>()

  function isTold(name: string, epoch: number): boolean {
    const known = told.get(name)
    return known !== undefined && known.epoch === epoch && performance.now() < known.until
  }

  /** Once for all who ask meanwhile; undefined where there is nothing to tell or nobody to tell it to. */
  function tell(name: string, facts: () => readonly ToldFact[]): Promise<void> | undefined {
    const epoch = shared.epoch()
    if (epoch === undefined || isTold(name, epoch)) return undefined
    return telling.run(name, async () => {
      const done = await shared.tell(facts())
      told.set(name, { epoch, until: performance.now() + (done ? TOLD_MS : NOT_TOLD_MS) })
    })
  }

  async function look(name: string, input: JudgeInput, keys: readonly SharedKey[]): Promise<void> {
    if (keys.length === 0 || shared.epoch() === undefined) return
    await learning.run(name, async () => {
      const found = await shared.find(keys)
      learn(
        input,
        keys.map((key, index) => ({ key, known: found[index] })),
        options,
      )
    })
  }

  /** First, once for all clients, what any of them may have; then what was told to this one alone. */
  async function ask(input: JudgeInput): Promise<void> {
    const begun = performance.now()
    const { reference, manifest, snapshot, client } = input
    const name = `${snapshot.id} ${formatReference(reference)} ${manifest.digest}`
    await look(name, input, keysFor(input, options))
    if (judge.peek(input)?.outcome === 'accepted') return
    const own = look(`${name} ${client}`, input, clientKeysFor(input))
    await atMost(own, shared.timeoutMs - (performance.now() - begun))
  }

  function tellVerdict({ reference, manifest, snapshot }: JudgeInput, decision: Accepted): void {
    // What rests on no signature costs no more to find out than to ask for.
    if (decision.signers.length === 0 || options.acceptedMs === 0) return
    const { signers, goodUntil } = decision
    const key = { kind: 'verdict', snapshotId: snapshot.id, reference, digest: manifest.digest } as const
    const fact = { kind: 'verdict', signers, goodUntil } as const
    const name = `verdict ${snapshot.id} ${formatReference(reference)} ${manifest.digest}`
    void tell(name, () => [{ key, fact, ttlMs: options.acceptedMs }])
  }

  function tellChildren(input: JudgeInput, decision: Accepted): Promise<void> | undefined {
    const { reference, manifest, snapshot } = input
    if (manifest.kind !== 'index') return undefined
    const depth = depthOf(input, decision, admitted)
    if (depth === undefined) return undefined
    const { signers, goodUntil } = decision
    return tell(childrenName(input, depth), () =>
      manifest.children.map(({ digest }) => ({
        key: { kind: 'child', snapshotId: snapshot.id, repository: reference.repository, digest, depth: depth + 1 },
        fact: { kind: 'child', index: manifest.digest, signers, goodUntil },
        ttlMs: options.admittedMs,
      })),
    )
  }

  function mustBeTold(input: JudgeInput, decision: Accepted, epoch: number): boolean {
    if (input.manifest.kind !== 'index') return false
    const depth = depthOf(input, decision, admitted)
    return depth !== undefined && !isTold(childrenName(input, depth), epoch)
  }

  /** A refusal by digest may be out of date: another replica may have accepted its index since. */
  function isSettled(input: JudgeInput, decision: Decision): boolean {
    const epoch = shared.epoch()
    if (epoch === undefined) return true
    return decision.outcome === 'accepted' ? !mustBeTold(input, decision, epoch) : input.reference.by === 'tag'
  }

  return {
    peek(input) {
      const decision = judge.peek(input)
      return decision !== undefined && isSettled(input, decision) ? decision : undefined
    },
    async judge(input): Promise<CachedDecision> {
      const begun = performance.now()
      if (judge.peek(input)?.outcome !== 'accepted') await ask(input)
      const asked = performance.now() - begun
      const judged = await judge.judge(input)
      const { decision } = judged
      if (decision.outcome !== 'accepted') return judged
      if (!judged.cached) tellVerdict(input, decision)
      // Asking and telling together keep nobody longer than the one time-out.
      await atMost(tellChildren(input, decision), shared.timeoutMs - asked)
      return judged
    },
    announce(accepted, reference, client) {
      void judge.announce(accepted, reference, client)
      if (reference.by !== 'tag') return undefined
      const { signers, goodUntil, evaluation } = accepted
      const { snapshotId, digest } = evaluation
      const { repository, tag } = reference
      const work = tell(`tag ${snapshotId} ${repositoryName(repository)} ${digest} ${client}`, () => [
        {
          key: { kind: 'tag', snapshotId, repository, digest, client },
          fact: { kind: 'tag', tag, signers, goodUntil },
          ttlMs: options.admittedMs,
        },
      ])
      return work && atMost(work, shared.timeoutMs)
    },
  }
}

/** The same index may be met at two depths: accepted itself, and listed by another. */
function childrenName({ reference, manifest, snapshot }: JudgeInput, depth: number): string {
  return `children ${depth} ${snapshot.id} ${repositoryName(reference.repository)} ${manifest.digest}`
}

/** How many indexes lie above this one; undefined if that was forgotten meanwhile. */
function depthOf(
  { reference, manifest, snapshot, client }: JudgeInput,
  { via }: Accepted,
  admitted: AdmittedDigests,
): number | undefined {
  if (via.by !== 'index') return 0
  return admitted.find(snapshot.id, reference.repository, manifest.digest, client)?.depth
}

async function atMost(work: Promise<void> | undefined, milliseconds: number): Promise<void> {
  if (work === undefined || milliseconds <= 0) return
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<void>(resolve => {
    timer = setTimeout(resolve, milliseconds)
  })
  try {
    await Promise.race([work, limit])
  } finally {
    clearTimeout(timer)
  }
}
