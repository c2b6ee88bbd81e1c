import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TestAgent } from '../../support/attestation-agent.ts'
import { HOST } from './images.ts'

export type PolicyState = 'one' | 'two'

/** A resource of the key broker: the key `one`. */
export const BROKER_KEY = 'kbs:///default/cosign-public-key/test'

/** A change counts with the next pull; so long may it take on a machine that is busy with the load itself. */
const RELOAD_MS = 1500
/** Until the gate has asked a broker that is back: its longest pause between two tries is 6.25 seconds. */
const RECOVERY_MS = 9000

/**
 * Rewrites the policy between two good states and one that is no policy at all, and takes the key broker down and up, all
 * under load. It knows which policy is in force, or that this is not certain just now.
 */
export class TrustChanges {
  reloads = 0
  brokenPolicies = 0
  brokerRestarts = 0
  brokerFaults = 0
  /** Rises with every change, so that a pull knows whether there was one while it was under way. */
  epoch = 0
  #state: PolicyState = 'one'
  #certainAt = 0
  readonly #agent: TestAgent
  readonly #policyFile: string
  readonly #keyTwo: string

  constructor({ agent, directory, keyTwo }: { agent: TestAgent; directory: string; keyTwo: string }) {
    this.#agent = agent
    this.#policyFile = join(directory, 'policy.json')
    this.#keyTwo = keyTwo
    this.#write(JSON.stringify(this.#policy()))
  }

  get policyFile(): string {
    return this.#policyFile
  }

  /** The policy in force for certain. */
  inForce(): PolicyState | undefined {
    return performance.now() >= this.#certainAt ? this.#state : undefined
  }

  /** Goes on until told to stop; leaves the broker up and the policy good. */
  async run(signal: AbortSignal): Promise<void> {
    for (let round = 0; !signal.aborted; round += 1) {
      this.#flip(RELOAD_MS)
      await pause(4000, signal)
      this.#flip(RELOAD_MS)
      await pause(4000, signal)
      this.#breakPolicy()
      await pause(2000, signal)
      this.#write(JSON.stringify(this.#policy()))
      await pause(1000, signal)
      await this.#troubleBroker(round, signal)
    }
  }

  /** Three kinds of trouble in turns; in every other round the policy changes meanwhile, and cannot be loaded. */
  async #troubleBroker(round: number, signal: AbortSignal): Promise<void> {
    const isDown = round % 3 === 0
    if (isDown) await this.#agent.stop()
    else if (round % 3 === 1) this.#agent.setFault({ kind: 'hang' })
    else this.#agent.setFault({ kind: 'status', code: 14, details: 'the agent is being replaced' })
    await pause(1500, signal)
    const changes = round % 2 === 0
    if (changes) this.#flip(Number.POSITIVE_INFINITY)
    await pause(1500, signal)
    this.#agent.setFault({ kind: 'none' })
    if (isDown) await this.#agent.start()
    if (isDown) this.brokerRestarts += 1
    else this.brokerFaults += 1
    if (changes) this.#certainAt = performance.now() + RECOVERY_MS
    await pause(RECOVERY_MS + 2000, signal)
  }

  #flip(certainAfterMs: number): void {
    this.#state = this.#state === 'one' ? 'two' : 'one'
    this.epoch += 1
    this.#certainAt = performance.now() + certainAfterMs
    this.reloads += 1
    this.#write(JSON.stringify(this.#policy()))
  }

  /** What is no policy leaves the last good one in force (I10): nothing becomes uncertain. */
  #breakPolicy(): void {
    this.brokenPolicies += 1
    this.#write('{"default": [{"type": "insecureAcceptAnything"}], "transports": {"docker": ')
  }

  #policy(): object {
    const signedBy = (keyPath: string): object[] => [{ type: 'sigstoreSigned', keyPath }]
    const docker = {
      [HOST]: signedBy(BROKER_KEY),
      [`${HOST}/flip`]: signedBy(this.#state === 'one' ? BROKER_KEY : this.#keyTwo),
    }
    return { default: [{ type: 'reject' }], transports: { docker } }
  }

  /** In one step, as an operator's tools do it. */
  #write(text: string): void {
    writeFileSync(`${this.#policyFile}.new`, text)
    renameSync(`${this.#policyFile}.new`, this.#policyFile)
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const step = 250
  for (let waited = 0; waited < ms && !signal.aborted; waited += step) await sleep(step)
}
