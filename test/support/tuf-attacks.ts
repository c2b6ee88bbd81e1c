import { filesOf, rootOf, signed, tufKeys, type Files, type RepositoryOptions, type Role } from './tuf-repository.ts'
import type { KeyPair } from './x509.ts'

/** Whose every role has a key of its own. */
export type TufKeys = Readonly<Record<Role, readonly KeyPair[]>>
export const newTufKeys = (): TufKeys => ({
  root: [tufKeys()],
  timestamp: [tufKeys()],
  snapshot: [tufKeys()],
  targets: [tufKeys()],
})

/** What a mirror does to one who has had version 2 of everything. */
export type TufAttack = { readonly it: string; readonly files: () => Files; readonly says: RegExp }

export const TARGET = 'trusted_root.json'
const yesterday = new Date(Date.now() - 24 * 3_600_000)

const withFile = (made: Files, name: string, change: (file: Buffer) => Buffer): Files =>
  new Map([...made].map(([path, file]) => [path, path.includes(name) ? change(file) : file]))
const flipped = (file: Buffer): Buffer => Buffer.from(file.map((byte, index) => (index === 8 ? byte ^ 1 : byte)))
const without = (made: Files, name: string): Files => new Map([...made].filter(([path]) => !path.includes(name)))
export const withTufRoot = (made: Files, root: Buffer, version = 2): Files =>
  new Map([...made, [`${version}.root.json`, root]])

export type TufAttacks = {
  readonly keys: TufKeys
  /** Of somebody else. */
  readonly others: TufKeys
  readonly pinned: Buffer
  /** Version 2, with the target `one`. */
  readonly files: (options?: RepositoryOptions) => Files
  /** Version 3, with the target `two`. */
  readonly newer: (options?: RepositoryOptions) => Files
  readonly attacks: readonly TufAttack[]
}

/** A repository, and everything that a mirror of it can do without its keys (attack case 70). */
export function tufAttacks({ one, two }: { readonly one: Buffer; readonly two: Buffer }): TufAttacks {
  const keys = newTufKeys()
  const others = newTufKeys()
  const pinned = rootOf({ keys })
  const files = (options: RepositoryOptions = {}): Files =>
    filesOf(keys, { version: 2, targets: { [TARGET]: one }, ...options })
  const newer = (options: RepositoryOptions = {}): Files =>
    files({ version: 3, targets: { [TARGET]: two }, ...options })
  const attacks: readonly TufAttack[] = [
    {
      it: 'a timestamp by somebody else',
      files: () => newer({ signers: { timestamp: others.timestamp } }),
      says: /signed by 0\/1/,
    },
    {
      it: 'a snapshot by somebody else',
      files: () => newer({ signers: { snapshot: others.snapshot } }),
      says: /signed by 0\/1/,
    },
    {
      it: 'targets by somebody else',
      files: () => newer({ signers: { targets: others.targets } }),
      says: /signed by 0\/1/,
    },
    {
      it: 'a timestamp by the key of targets',
      files: () => newer({ signers: { timestamp: keys.targets } }),
      says: /signed by 0\/1/,
    },
    {
      it: 'a timestamp that nobody has signed',
      files: () => newer({ signers: { timestamp: [] } }),
      says: /signed by 0\/1/,
    },
    { it: 'CVE-2022-29173: an older timestamp', files: () => newer({ versions: { timestamp: 1 } }), says: /version/i },
    {
      it: 'CVE-2022-29173: an older snapshot',
      files: () => files({ versions: { timestamp: 3, snapshot: 1 } }),
      says: /version/i,
    },
    {
      it: 'CVE-2022-29173: older targets',
      files: () => files({ versions: { timestamp: 3, snapshot: 3, targets: 1 } }),
      says: /version/i,
    },
    {
      it: 'freeze: a timestamp that has expired',
      files: () => newer({ expires: { timestamp: yesterday } }),
      says: /expired/,
    },
    {
      it: 'freeze: a snapshot that has expired',
      files: () => newer({ expires: { snapshot: yesterday } }),
      says: /expired/,
    },
    {
      it: 'freeze: targets that have expired',
      files: () => newer({ expires: { targets: yesterday } }),
      says: /expired/,
    },
    {
      it: 'freeze: a root that has expired',
      files: () => withTufRoot(newer(), rootOf({ version: 2, keys, expires: yesterday })),
      says: /root.json is expired/,
    },
    {
      it: 'mix and match: the snapshot of another timestamp',
      files: () => withFile(newer(), 'snapshot', () => files({ version: 3 }).get('3.snapshot.json') ?? one),
      says: /hash|length/i,
    },
    { it: 'a changed target', files: () => withFile(newer(), TARGET, flipped), says: /hash/i },
    {
      it: 'a longer target',
      files: () => withFile(newer(), TARGET, file => Buffer.concat([file, file])),
      says: /bytes/,
    },
    { it: 'a shorter target', files: () => withFile(newer(), TARGET, file => file.subarray(1)), says: /length/i },
    { it: 'no target', files: () => without(newer(), TARGET), says: /no targets\// },
    { it: 'a target that is no longer listed', files: () => newer({ targets: {} }), says: /not among the targets/ },
    {
      it: 'a target without a hash',
      files: () =>
        newer({ change: { targets: made => (made['targets'] = { [TARGET]: { length: two.length, hashes: {} } }) } }),
      says: /neither a SHA-256/,
    },
    {
      it: 'a target of a gigabyte',
      files: () =>
        newer({
          change: { targets: made => (made['targets'] = { [TARGET]: { length: 2 ** 30, hashes: { sha256: '00' } } }) },
        }),
      says: /more than/,
    },
    {
      it: 'a target that is signed and of no use',
      files: () => newer({ targets: { [TARGET]: Buffer.from('no') } }),
      says: /is no trusted root/,
    },
    { it: 'no timestamp', files: () => without(newer(), 'timestamp'), says: /no timestamp.json/ },
    { it: 'no snapshot', files: () => without(newer(), 'snapshot'), says: /no 3.snapshot.json/ },
    {
      it: 'a timestamp that is no JSON',
      files: () => withFile(newer(), 'timestamp', () => Buffer.from('<html>')),
      says: /JSON/,
    },
    {
      it: 'a timestamp that is a snapshot',
      files: () => new Map([...newer(), ['timestamp.json', newer().get('3.snapshot.json') ?? one]]),
      says: /./,
    },
    {
      it: 'a timestamp of a megabyte',
      files: () => withFile(newer(), 'timestamp', file => Buffer.concat([file, Buffer.alloc(2 ** 20, ' ')])),
      says: /more than 16384 bytes/,
    },
    {
      it: 'case 33: a root that the one before has not signed',
      files: () =>
        withTufRoot(filesOf(others, { version: 2, targets: { [TARGET]: two } }), rootOf({ version: 2, keys: others })),
      says: /signed by 0\/1/,
    },
    {
      it: 'a root that has not signed itself',
      files: () => withTufRoot(newer(), rootOf({ version: 2, keys: others, signers: keys.root })),
      says: /signed by 0\/1/,
    },
    {
      it: 'a root of another version',
      files: () => withTufRoot(newer(), rootOf({ version: 3, keys })),
      says: /version/,
    },
    {
      it: 'CVE-2026-23992: a threshold of nought',
      files: () => withTufRoot(newer(), rootOf({ version: 2, keys, thresholds: { timestamp: 0 } })),
      says: /threshold/,
    },
    {
      it: 'CVE-2026-23991: a root without roles',
      files: () => withTufRoot(newer(), signed({ _type: 'root', version: 2 }, keys.root)),
      says: /./,
    },
  ]
  return { keys, others, pinned, files, newer, attacks }
}
