import { createReadStream } from 'node:fs'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { createEngine, type Engine } from '../assembly/create-engine.ts'
import { ConfigError, loadConfig } from '../config/load-config.ts'
import { createLogger } from '../observe/logger.ts'
import { parseRecord } from '../observe/recorded-decision.ts'
import { formatReference } from '../reference/image-reference.ts'
import { messageOf } from '../trust/trust-error.ts'
import { replayer, type RecordedDecision, type Replayed } from '../verdict/replay.ts'
import { EXIT, type Terminal } from './terminal.ts'

export type ReplayFlags = { readonly audit: readonly string[]; readonly policy: string; readonly config: string }

type Recorded = { readonly decision: RecordedDecision; pulls: number }
type Tally = { same: number; differ: number; unjudged: number }

/**
 * `sealgate policy replay`: recorded pulls judged again under another policy, on the bytes that the upstream has under
 * the recorded digests.
 *
 * @returns 0 no verdict would change, 1 some would, 2 some could not be judged again and no other would change
 */
export async function replayAudit(flags: ReplayFlags, terminal: Terminal): Promise<number> {
  let engine: Engine
  let records: readonly Recorded[]
  try {
    records = await readRecords(flags.audit, terminal)
    const policy = flags.policy.startsWith('kbs:') ? flags.policy : resolve(flags.policy)
    engine = await createEngine({ ...(await loadConfig(flags.config)), policy }, createLogger('silent'))
  } catch (error) {
    if (!(error instanceof ConfigError || isFileError(error))) throw error
    terminal.stderr(`sealgate: ${messageOf(error)}\n`)
    return EXIT.undecided
  }
  try {
    await engine.snapshots.start()
    const { judge, manifests, upstreams, snapshots } = engine
    const replay = replayer({
      judge,
      snapshot: await snapshots.current(),
      manifestOf: (repository, digest) => {
        if (upstreams.forHost(repository.host) === undefined) throw new Error(`${repository.host} is not configured`)
        return manifests.get({ by: 'digest', repository, digest })
      },
    })
    const tally = { same: 0, differ: 0, unjudged: 0 }
    for (const recorded of records) tell(recorded, await replay(recorded.decision), tally, terminal)
    const pulls = records.reduce((sum, recorded) => sum + recorded.pulls, 0)
    const { same, differ, unjudged } = tally
    terminal.stdout(`${pulls} pulls: ${same} the same, ${differ} differ, ${unjudged} could not be judged again\n`)
    return differ > 0 ? EXIT.refused : unjudged > 0 ? EXIT.undecided : EXIT.ok
  } catch (error) {
    terminal.stderr(`sealgate: ${messageOf(error)}\n`)
    return EXIT.undecided
  } finally {
    await engine.close()
  }
}

/** Every decision once, with how often it was made, in the order of the first. Lines that are no records are named. */
async function readRecords(files: readonly string[], terminal: Terminal): Promise<readonly Recorded[]> {
  const records = new Map<string, Recorded>()
  for (const file of files) {
    let number = 0
    for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
      number += 1
      if (line === '') continue
      const parsed = parseRecord(line)
      if (!parsed.ok) {
        terminal.stderr(`${file}:${number}: left out: ${parsed.problem}\n`)
        continue
      }
      const { reference, digest, outcome, via } = parsed.recorded
      const key = JSON.stringify([formatReference(reference), digest, outcome, via])
      const known = records.get(key)
      if (known === undefined) records.set(key, { decision: parsed.recorded, pulls: 1 })
      else known.pulls += 1
    }
  }
  return [...records.values()]
}

function tell({ decision, pulls }: Recorded, replayed: Replayed, tally: Tally, terminal: Terminal): void {
  const { reference, digest, outcome } = decision
  const image = reference.by === 'tag' ? `${formatReference(reference)}@${digest}` : formatReference(reference)
  const print = (word: string, what: string): void =>
    terminal.stdout(`${word}  ${image}  ${what}${pulls > 1 ? ` (${pulls} pulls)` : ''}\n`)
  switch (replayed.outcome) {
    case 'judged': {
      const { differs, verdict, reason } = replayed.comparison
      if (verdict === 'undecided') {
        tally.unjudged += pulls
        print('open   ', `was ${outcome}: ${reason}`)
      } else if (differs) {
        tally.differ += pulls
        print('differs', `was ${outcome}, would be ${verdict}: ${reason}`)
      } else tally.same += pulls
      return
    }
    case 'gone':
      tally.unjudged += pulls
      return print('gone   ', `was ${outcome}; the upstream has it no more`)
    case 'failed':
      tally.unjudged += pulls
      return print('failed ', `was ${outcome}: ${messageOf(replayed.error)}`)
  }
}

function isFileError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error
}
