import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startEvilRegistry } from '../support/evil-registry.ts'
import { temporaryDirectory, writePolicy } from '../support/gate.ts'
import { InjectedGate } from './support/injected-gate.ts'
import type { StepFault } from './support/messages.ts'
import { refusedPulls, type Pull, type PullKind } from './support/refused-pulls.ts'

/**
 * Case 31, exhaustively: every function of src/ that a refused pull reaches is made to throw, and to give nothing back, one
 * function at a time, in the program as its user runs it. Whatever becomes of the answer, the manifest does not leave, nor does
 * anything that says it may; and once the fault is over the same pull is refused as ever.
 */
const FAULTS: readonly StepFault[] = ['throws', 'throws once', 'gives nothing']

/** Fewer would mean that the steps are not seen: a blob that is none takes 75, all others 180 to 380. */
const FEWEST_STEPS = 60
const ANSWER_MS = 3000

t.test('no fault in any one step lets out what is refused', { timeout: 2_400_000 }, async t => {
  const registry = await startEvilRegistry(t)
  const directory = temporaryDirectory(t)
  const { policy, settings, kinds, accepted } = await refusedPulls(registry, directory)
  writePolicy(directory, policy)
  const config = join(directory, 'sealgate.yaml')
  const common = { listen: '127.0.0.1:0', admin: '127.0.0.1:0', policy: 'policy.json' }
  const registries = { 'example.org': { url: registry.url } }
  const short = { limits: { verdictSeconds: 2 }, cache: { refused: 0, tags: 0 } }
  writeFileSync(config, JSON.stringify({ ...common, registries, ...short, ...settings }))
  const gate = new InjectedGate(t, config)
  await gate.start()
  t.equal((await seen(gate.url, await accepted.put('accepted'))).left.length, 3, 'what leaves is seen')
  for (const kind of kinds) await everyStep(t, gate, kind)
})

async function everyStep(t: Test, gate: InjectedGate, { it, put, faults = FAULTS }: PullKind): Promise<void> {
  await t.test(it, { timeout: 600_000 }, async t => {
    const plain = await put('plain')
    let usual: readonly number[] = []
    const steps = await gate.reachedBy(async () => {
      const { left, statuses } = await seen(gate.url, plain)
      t.same(left, [], 'without a fault')
      usual = statuses
    })
    t.ok(steps.length >= FEWEST_STEPS, `${steps.length} steps`)
    for (const fault of faults) {
      const left: string[] = []
      const lasting: string[] = []
      let answered = 0
      for (const [index, step] of steps.entries()) {
        const pull = await put(`${fault.replaceAll(' ', '-')}-${index}`)
        const look = async (when: string): Promise<readonly number[]> => {
          const found = await seen(gate.url, pull)
          answered += found.statuses.length
          left.push(...found.left.map(what => `${when} ${step}: ${what}`))
          return found.statuses
        }
        await gate.withFault(step, fault, () => look('during'))
        let afterwards = await look('after')
        if (afterwards.join() !== usual.join()) {
          // What a fault has left to a timer may end the process only now; the one in its place answers.
          await gate.start()
          afterwards = await look('after')
        }
        if (afterwards.join() !== usual.join()) {
          lasting.push(`${step}: ${afterwards.join()}`)
          await gate.restart()
        }
      }
      t.same(left, [], `a step that ${fault}`)
      t.same(lasting, [], `and once it is over the answers are ${usual.join()} again`)
      t.ok(answered > steps.length * plain.requests.length, `${answered} answers, ${gate.ended} times none`)
    }
  })
}

type Seen = { readonly left: readonly string[]; readonly statuses: readonly number[] }

/** What of a manifest came out, or was said to be all right. No answer at all lets nothing out. */
async function seen(url: string, { manifest, requests }: Pull): Promise<Seen> {
  const left: string[] = []
  const statuses: number[] = []
  for (const [method, path] of requests) {
    const answer = await ask(`${url}/v2/example.org/${path}`, method)
    if (answer === undefined) continue
    const { status, headers, body } = answer
    statuses.push(status)
    const names = headers.get('docker-content-digest') ?? headers.get('etag') ?? headers.get('warning')
    const isServed = status < 400 && (status === 304 || body.length > 0 || names !== null)
    if (isServed || body.includes(manifest.bytes)) left.push(`${method} ${path} is ${status} ${names}`)
  }
  return { left, statuses }
}

type Answer = { readonly status: number; readonly headers: Headers; readonly body: Buffer }

/** undefined: hung up on, or not answered in time. */
async function ask(url: string, method: string): Promise<Answer | undefined> {
  try {
    const answer = await fetch(url, { method, redirect: 'manual', signal: AbortSignal.timeout(ANSWER_MS) })
    return { status: answer.status, headers: answer.headers, body: Buffer.from(await answer.arrayBuffer()) }
  } catch {
    return undefined
  }
}
