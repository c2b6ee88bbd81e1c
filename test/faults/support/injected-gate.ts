import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { FromInjected, StepFault, ToInjected } from './messages.ts'

type Teardown = { readonly teardown: (handler: () => unknown) => void }

const MAIN = fileURLToPath(new URL('../../../src/main.ts', import.meta.url))
const ORDER_MS = 10_000
const HOOKS = new URL('hooks.ts', import.meta.url).href

type Running = { readonly child: ChildProcess; readonly gone: Promise<undefined> }

/** The program as its user runs it, but for one step that does not do what it should. It is started anew when a fault ends it. */
export class InjectedGate {
  readonly #config: string
  #process: Running | undefined
  #url = ''
  /** How often a fault has ended the process. */
  ended = 0

  /** @param config path of a configuration whose `listen` has port 0 */
  constructor(t: Teardown, config: string) {
    this.#config = config
    t.teardown(() => this.#process?.child.kill('SIGKILL'))
  }

  get url(): string {
    return this.#url
  }

  /** What is reached by the pulls of `work`, in no order. */
  async reachedBy(work: () => Promise<unknown>): Promise<readonly string[]> {
    await this.#order({ type: 'record' })
    await work()
    return (await this.#order({ type: 'pass' })) ?? []
  }

  /** Does `work` while one step is broken. */
  async withFault(step: string, fault: StepFault, work: () => Promise<unknown>): Promise<void> {
    await this.#order({ type: 'fault', step, fault })
    await work()
    await this.#order({ type: 'pass' })
  }

  async start(): Promise<void> {
    await this.#order({ type: 'pass' })
  }

  async restart(): Promise<void> {
    this.#process?.child.kill('SIGKILL')
    await this.#process?.gone
    this.#process = undefined
    await this.start()
  }

  /** @returns undefined where the process has ended; the one in its place is given the order, unless that is `pass` */
  async #order(order: ToInjected): Promise<readonly string[] | undefined> {
    if (this.#process !== undefined) {
      const { child, gone } = this.#process
      const answered = once(child, 'message')
      child.send(order, () => undefined)
      // A fault may leave it spinning, and then it hears nothing any more.
      const deaf = setTimeout(() => child.kill('SIGKILL'), ORDER_MS)
      const answer = await Promise.race([answered, gone]).finally(() => clearTimeout(deaf))
      if (answer !== undefined) return (answer[0] as FromInjected).reached
      this.ended += 1
    }
    this.#process = await this.#start()
    if (order.type !== 'pass') await this.#order(order)
    return undefined
  }

  async #start(): Promise<Running> {
    const child = spawn(
      process.execPath,
      ['--no-warnings', '--import', HOOKS, MAIN, 'serve', '--config', this.#config],
      {
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
        // tap's hooks are none of its business.
        env: { ...process.env, NODE_OPTIONS: '' },
      },
    )
    const gone = once(child, 'exit').then(() => undefined)
    let output = ''
    this.#url = await new Promise<string>((resolve, reject) => {
      const listen = (chunk: Buffer): void => {
        output = (output + chunk.toString()).slice(-10_000)
        const [, url] = /"registry":"(http:[^"]+)"/.exec(output) ?? []
        if (url !== undefined) resolve(url)
      }
      child.stdout?.on('data', listen)
      child.stderr?.on('data', listen)
      child.once('exit', () => reject(new Error(output)))
    })
    return { child, gone }
  }
}
