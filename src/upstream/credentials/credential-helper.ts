import { spawn } from 'node:child_process'
import { decodeJson, type JsonCursor } from '../../json/decode.ts'
import { UpstreamError } from '../upstream-error.ts'
import type { Credentials } from './credentials.ts'

const TIMEOUT_MS = 15_000
const MAX_OUTPUT_BYTES = 64 * 1024
const LIMITS = { maxBytes: MAX_OUTPUT_BYTES, maxDepth: 4 }
/** What a helper says on standard output, with a failure, of what it does not know. docker/docker-credential-helpers. */
const NOT_FOUND = 'credentials not found in native keychain'
/** The user name that says that the secret is an identity token. */
const TOKEN_USER = '<token>'

/**
 * Asks `docker-credential-<helper>`, found in PATH, for a server's credentials. Its output may hold a secret whatever its
 * exit code: none of it gets into an error.
 *
 * @returns undefined where it knows of none
 * @throws UpstreamError CREDENTIALS_UNREADABLE
 */
export async function askCredentialHelper(helper: string, server: string): Promise<Credentials | undefined> {
  const program = `docker-credential-${helper}`
  const { code, output } = await runHelper(program, server)
  if (code !== 0) {
    if (output.toString('utf8').trim() === NOT_FOUND) return undefined
    throw new UpstreamError('CREDENTIALS_UNREADABLE', `${program} gave no credentials (exit code ${code ?? 'none'})`)
  }
  const decoded = decodeJson(output, decodeAnswer, LIMITS)
  if (!decoded.ok) throw new UpstreamError('CREDENTIALS_UNREADABLE', `${program} gave something that is no credentials`)
  const { username, secret } = decoded.value
  if (secret === '') return undefined
  if (username === TOKEN_USER) return { kind: 'identity-token', token: secret }
  return { kind: 'password', username, password: secret }
}

type Ran = { readonly code: number | null; readonly output: Buffer }

async function runHelper(program: string, server: string): Promise<Ran> {
  const { promise, resolve, reject } = Promise.withResolvers<Ran>()
  const failed = (why: string, cause?: unknown): void =>
    reject(new UpstreamError('CREDENTIALS_UNREADABLE', `${program} ${why}`, { cause }))
  // A group of its own: helpers start programs, and one of those would hold the pipe open after the helper was ended.
  const child = spawn(program, ['get'], { stdio: ['pipe', 'pipe', 'ignore'], detached: true })
  const end = (why: string): void => {
    failed(why)
    if (child.pid !== undefined) killGroup(child.pid)
    child.stdout.destroy()
  }
  const timer = setTimeout(() => end(`did not answer within ${TIMEOUT_MS / 1000} seconds`), TIMEOUT_MS)
  const pieces: Buffer[] = []
  let length = 0
  child.stdout.on('data', (piece: Buffer) => {
    length += piece.byteLength
    if (length <= MAX_OUTPUT_BYTES) pieces.push(piece)
    else end('says more than credentials take')
  })
  child.on('error', cause => {
    clearTimeout(timer)
    const code = 'code' in cause ? String(cause.code) : cause.name
    failed(code === 'ENOENT' ? 'is not in PATH' : `cannot be run (${code})`, cause)
  })
  child.on('close', (code, signal) => {
    clearTimeout(timer)
    if (signal !== null) failed(`was ended by ${signal}`)
    else resolve({ code, output: Buffer.concat(pieces) })
  })
  // A helper that ends without reading closes the pipe: its exit code tells more.
  child.stdin.on('error', () => undefined)
  child.stdin.end(server)
  return promise
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    // It ended by itself in this moment.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

function decodeAnswer(root: JsonCursor): { readonly username: string; readonly secret: string } | undefined {
  if (root.entries() === undefined) return undefined
  const secret = root.member('Secret')
  if (secret === undefined) return root.fail('missing key "Secret"')
  const text = secret.string()
  const name = root.member('Username')
  const username = name === undefined ? '' : name.string()
  return text === undefined || username === undefined ? undefined : { username, secret: text }
}
