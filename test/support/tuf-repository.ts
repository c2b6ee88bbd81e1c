import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Json } from './local-sigstore.ts'
import type { KeyPair } from './x509.ts'

/**
 * A TUF repository of the test's own, written out by hand so that each file can be wrong in one way. Its keys are made when
 * the test starts.
 */
export type Role = 'root' | 'timestamp' | 'snapshot' | 'targets'
export type Files = Map<string, Buffer>

export type RepositoryOptions = {
  /** Of timestamp, snapshot and targets. */
  readonly version?: number
  readonly versions?: Partial<Record<Role, number>>
  readonly targets?: Readonly<Record<string, Buffer>>
  /** Who signs a role, other than the one that the root names. */
  readonly signers?: Partial<Record<Role, readonly KeyPair[]>>
  readonly expires?: Partial<Record<Role, Date>>
  /** What a role says, changed before it is signed. */
  readonly change?: Partial<Record<Role, (signed: Json) => void>>
}

const TOMORROW = new Date(Date.now() + 24 * 3_600_000)
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

export const tufKeys = (): KeyPair => generateKeyPairSync('ed25519')

/** Canonical JSON as TUF signs it: keys in order, no blanks. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${canonical(member)}`).join(',')}}`
}

function keyOf({ publicKey }: KeyPair): readonly [string, Json] {
  const raw = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32)
  const key = { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: raw.toString('hex') } }
  return [sha256(Buffer.from(canonical(key))), key]
}

export function signed(content: Json, signers: readonly KeyPair[]): Buffer {
  const bytes = Buffer.from(canonical(content))
  const signatures = signers.map(keys => ({
    keyid: keyOf(keys)[0],
    sig: sign(null, bytes, keys.privateKey).toString('hex'),
  }))
  return Buffer.from(JSON.stringify({ signed: content, signatures }))
}

export type RootOptions = {
  readonly version?: number
  readonly keys: Readonly<Record<Role, readonly KeyPair[]>>
  readonly thresholds?: Partial<Record<Role, number>>
  readonly expires?: Date
  /** Who signs it; by default its own root keys. */
  readonly signers?: readonly KeyPair[]
}

export function rootOf({ version = 1, keys, thresholds, expires = TOMORROW, signers }: RootOptions): Buffer {
  const all = Object.values(keys).flat().map(keyOf)
  const role = (name: Role): Json => ({
    keyids: keys[name].map(one => keyOf(one)[0]),
    threshold: thresholds?.[name] ?? 1,
  })
  const content: Json = {
    _type: 'root',
    spec_version: '1.0.31',
    version,
    expires: expires.toISOString().replace(/\.\d+Z$/, 'Z'),
    consistent_snapshot: true,
    keys: Object.fromEntries(all),
    roles: { root: role('root'), timestamp: role('timestamp'), snapshot: role('snapshot'), targets: role('targets') },
  }
  return signed(content, signers ?? keys.root)
}

/** The files of a repository but its roots. */
export function filesOf(keys: Readonly<Record<Role, readonly KeyPair[]>>, options: RepositoryOptions = {}): Files {
  const { targets = {}, signers, change } = options
  const versionOf = (role: Role): number => options.versions?.[role] ?? options.version ?? 1
  const make = (role: Role, more: Json): Buffer => {
    const expires = (options.expires?.[role] ?? TOMORROW).toISOString().replace(/\.\d+Z$/, 'Z')
    const content = { _type: role, spec_version: '1.0.31', version: versionOf(role), expires, ...more }
    change?.[role]?.(content)
    return signed(content, signers?.[role] ?? keys[role])
  }
  const meta = (role: Role, bytes: Buffer): Json => ({
    version: versionOf(role),
    length: bytes.length,
    hashes: { sha256: sha256(bytes) },
  })
  const listed = Object.entries(targets).map(([name, bytes]) => [
    name,
    { length: bytes.length, hashes: { sha256: sha256(bytes) } },
  ])
  const targetsFile = make('targets', { targets: Object.fromEntries(listed) })
  const snapshotFile = make('snapshot', { meta: { 'targets.json': meta('targets', targetsFile) } })
  const timestampFile = make('timestamp', { meta: { 'snapshot.json': meta('snapshot', snapshotFile) } })
  const files: Files = new Map([
    ['timestamp.json', timestampFile],
    [`${versionOf('snapshot')}.snapshot.json`, snapshotFile],
    [`${versionOf('targets')}.targets.json`, targetsFile],
  ])
  for (const [name, bytes] of Object.entries(targets)) {
    const slash = name.lastIndexOf('/') + 1
    files.set(`targets/${name.slice(0, slash)}${sha256(bytes)}.${name.slice(slash)}`, bytes)
  }
  return files
}

export type Respond = (request: IncomingMessage, response: ServerResponse) => void

export type TufServer = {
  /** With a path, as mirrors have it. */
  readonly url: string
  readonly requests: string[]
  files: Files
  /** Answers instead of the files. */
  respond: Respond | undefined
  readonly stop: () => Promise<void>
  readonly start: () => Promise<void>
}

/** A mirror on loopback; it can be stopped and started again on the same port. */
export async function startTufServer(t: { readonly teardown: (handler: () => unknown) => void }): Promise<TufServer> {
  const requests: string[] = []
  const server = createServer((request, response) => {
    requests.push(request.url ?? '')
    if (state.respond !== undefined) return state.respond(request, response)
    const file = state.files.get((request.url ?? '').replace('/mirror/', ''))
    response.statusCode = file === undefined ? 404 : 200
    response.end(file)
  })
  let port = 0
  const start = (): Promise<void> =>
    new Promise(resolve => {
      server.listen(port, '127.0.0.1', () => {
        const address = server.address()
        if (typeof address === 'object' && address !== null) port = address.port
        resolve()
      })
    })
  const stop = (): Promise<void> =>
    new Promise(resolve => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  await start()
  t.teardown(stop)
  const state: TufServer = {
    url: `http://127.0.0.1:${port}/mirror`,
    requests,
    files: new Map(),
    respond: undefined,
    start,
    stop,
  }
  return state
}
