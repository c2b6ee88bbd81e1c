import { spawn, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export const MAIN: string = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

/**
 * Starts the program as its user does, and waits until it says that it listens.
 *
 * @param nodeFlags before the program's own name
 */
export async function startProgram(
  t: { teardown: (handler: () => unknown) => void },
  config: string,
  nodeFlags: readonly string[] = [],
): Promise<{ child: ChildProcess; url: string; output: () => string }> {
  const command = [...nodeFlags, MAIN, 'serve', '--config', config]
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  let text = ''
  const url = await new Promise<string>((resolve, reject) => {
    const listen = (chunk: Buffer): void => {
      text += chunk.toString()
      const [, found] = /"registry":"(http:[^"]+)"/.exec(text) ?? []
      if (found !== undefined) resolve(found)
    }
    child.stdout?.on('data', listen)
    child.stderr?.on('data', listen)
    child.once('exit', () => reject(new Error(text)))
  })
  return { child, url, output: () => text }
}
