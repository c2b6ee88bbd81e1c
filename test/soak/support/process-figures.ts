import { createReadStream, readdirSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

/** Open files and sockets of a process. */
export function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

/** Resident memory of a process, in MiB. */
export function residentMiB(pid: number): number {
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  if (kibibytes === undefined) throw new Error(`no VmRSS of ${pid}`)
  return Number(kibibytes) / 1024
}

/** What the gate may say at the level of errors while its upstream and its key broker are in trouble. */
const EXPECTED = [
  'pull undecided',
  'the new policy cannot be used; the last good one stays in force',
  'not refreshed; the last good one stays in force',
]
const ERROR_LEVEL = 50
const KEPT = 20

/** Lines of the gate's log that should not be there: errors of another kind, and what is no log line (a stack, a warning of Node's). */
export async function strangeLines(logFile: string): Promise<readonly string[]> {
  const strange: string[] = []
  for await (const line of createInterface({ input: createReadStream(logFile) })) {
    if (strange.length < KEPT && !isExpected(line)) strange.push(line.slice(0, 2000))
  }
  return strange
}

function isExpected(line: string): boolean {
  if (!line.startsWith('{')) return false
  const { level, msg }: { readonly level: number; readonly msg: string } = JSON.parse(line)
  return level < ERROR_LEVEL || EXPECTED.includes(msg)
}
