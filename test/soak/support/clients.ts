import { setTimeout as sleep } from 'node:timers/promises'
import { Agent } from 'undici'
import { ask, askAndStall, askByHalves } from './ask.ts'
import { childrenOf, type Target } from './images.ts'
import type { Tally } from './tally.ts'
import type { TrustChanges } from './trust-changes.ts'
import { wrongIn, type Asked, type Seen } from './verdict-due.ts'

const CLIENTS = 128
/** Longest pause of a client between two requests. Milliseconds. */
const PAUSE_MS = 60

export type LoadOptions = {
  readonly gate: string
  readonly targets: readonly Target[]
  readonly trust: TrustChanges
  readonly tally: Tally
  readonly faults: 'on' | 'off'
}

/** Mixed load until the signal says stop; every client's connections are closed then. */
export async function load(options: LoadOptions, signal: AbortSignal): Promise<void> {
  const dispatcher = new Agent({ connections: CLIENTS * 2, keepAliveTimeout: 2000 })
  const client = new Client(options, dispatcher)
  await Promise.all(Array.from({ length: CLIENTS }, async () => client.run(signal)))
  await dispatcher.destroy()
}

/** Each target once, in its plainest form; gives what was wrong. */
export async function sweep(options: LoadOptions): Promise<readonly string[]> {
  const dispatcher = new Agent({ keepAliveTimeout: 2000 })
  const wrong: string[] = []
  // An index stands before its children in the list.
  for (const target of options.targets) {
    const asked = { target, method: 'GET', range: undefined } as const
    const seen = await ask(asked, { gate: options.gate, dispatcher })
    const problem = wrongIn(asked, seen, { inForce: options.trust.inForce(), faults: options.faults })
    if (problem !== undefined) wrong.push(`${target.path} (${target.due}): ${problem}`)
  }
  await dispatcher.destroy()
  return wrong
}

class Client {
  readonly #options: LoadOptions
  readonly #dispatcher: Agent

  constructor(options: LoadOptions, dispatcher: Agent) {
    this.#options = options
    this.#dispatcher = dispatcher
  }

  async run(signal: AbortSignal): Promise<void> {
    const { targets, gate, tally } = this.#options
    const manifests = targets.filter(({ what, due }) => what === 'manifest' && due !== 'child')
    const blobs = targets.filter(({ what }) => what === 'blob')
    while (!signal.aborted) {
      const target = pick(chance(0.04) ? blobs : manifests)
      const range = target.what === 'blob' && chance(0.5) ? rangeOf(target.blob.size) : undefined
      const method = target.what === 'manifest' && chance(0.2) ? 'HEAD' : 'GET'
      if (chance(0.005)) {
        tally.aborted += 1
        await (chance(0.2) ? askAndStall(gate, pick(blobs).path, 5000) : askByHalves(gate, target.path))
      } else {
        await this.#pull({ target, method, range })
      }
      await sleep(Math.random() * PAUSE_MS)
    }
  }

  /** One pull, and those that follow from it: of the children of an accepted index. */
  async #pull(asked: Asked): Promise<void> {
    const { trust } = this.#options
    const { epoch } = trust
    const before = trust.inForce()
    const seen = await this.#judged(asked)
    const { target, method } = asked
    const isIndex = target.path.includes('/signed-index/') && target.what === 'manifest'
    if (!isIndex || method === 'HEAD' || seen.end !== 'whole' || seen.status !== 200) return
    const repository = target.path.slice(0, target.path.lastIndexOf('/'))
    for (const child of childrenOf(target)) {
      const held = this.#options.targets.find(({ path }) => path === `${repository}/${child}`)
      if (held === undefined) throw new Error(`${child} is not among the targets`)
      // Under another policy the child is an unsigned image until the index was pulled again.
      await this.#judged({ target: held, method: 'GET', range: undefined }, { epoch, wasCertain: before !== undefined })
    }
  }

  async #judged(asked: Asked, parent?: { readonly epoch: number; readonly wasCertain: boolean }): Promise<Seen> {
    const { gate, trust, tally, faults } = this.#options
    const epoch = parent?.epoch ?? trust.epoch
    const before = trust.inForce()
    const abort = chance(0.04) ? { abortAfterMs: Math.ceil(Math.random() * 40) } : {}
    const seen = await ask(asked, { gate, dispatcher: this.#dispatcher, ...abort })
    const isCertain = before !== undefined && trust.epoch === epoch && parent?.wasCertain !== false
    const inForce = isCertain ? before : undefined
    tally.count(asked, seen, wrongIn(asked, seen, { inForce, faults }))
    return seen
  }
}

function chance(probability: number): boolean {
  return Math.random() < probability
}

function pick(targets: readonly Target[]): Target {
  const target = targets[Math.floor(Math.random() * targets.length)]
  if (target === undefined) throw new Error('nothing to pull')
  return target
}

function rangeOf(size: number): readonly [number, number] {
  const first = Math.floor(Math.random() * size)
  return [first, first + Math.floor(Math.random() * (size - first))]
}
