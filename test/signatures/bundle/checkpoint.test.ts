import { sign } from 'node:crypto'
import t from 'tap'
import { checkBundle, type BundleTrust } from '../../../src/signatures/bundle/check-bundle.ts'
import { trustedKeyOf } from '../../../src/signatures/public-key.ts'
import { parseTrustedRoot } from '../../../src/signatures/trusted-root.ts'
import {
  certify,
  ISSUER,
  makeBundle,
  now,
  rekorKeys,
  sha256,
  spki,
  startTsa,
  statementAbout,
  SUBJECT,
  trustedRootOf,
  type EntryOptions,
  type Json,
} from '../../support/local-sigstore.ts'
import { imageOf } from '../../support/signer.ts'
import { newKeys, type KeyPair } from '../../support/x509.ts'

/**
 * An entry with an inclusion proof and no promise: nothing but the checkpoint is signed by the log. Held against a Rekor
 * key of a policy, where the checkpoint's name is the bundle's own word, and against a trusted root, where it is the log's.
 */
const image = imageOf('checkpoint').manifest
const otherLog = newKeys()
const tsa = await startTsa()
const idOf = (log: KeyPair): string => sha256(spki(log)).toString('base64')
const base64 = (bytes: Buffer | string): string => Buffer.from(bytes).toString('base64')

const PATHS = ['keys', 'identity'] as const

async function check(by: (typeof PATHS)[number], entry: EntryOptions = {}): Promise<string> {
  const leaf = certify()
  const untrustedBytes = await makeBundle({
    by: by === 'keys' ? { keys: leaf.keys } : { keys: leaf.keys, certificate: leaf },
    statement: statementAbout(image.digest),
    entries: [{ with: 'proof', ...entry }],
    timestamps: async signature => [await tsa.stamp(signature)],
  })
  const trust: BundleTrust =
    by === 'keys'
      ? {
          by: 'keys',
          keys: [trustedKeyOf(leaf.keys.publicKey, 'cosign.pub')],
          rekorKeys: [rekorKeys, otherLog].map(({ publicKey }) => trustedKeyOf(publicKey, 'rekor.pub')),
        }
      : {
          by: 'identity',
          trustedRoot: parseTrustedRoot(trustedRootOf([tsa], twoLogs), 'root'),
          identities: [
            {
              issuer: { kind: 'exact', text: ISSUER },
              subject: { type: 'uri', matcher: { kind: 'exact', text: SUBJECT } },
            },
          ],
        }
  const checked = checkBundle({ untrustedBytes, subject: { bytes: image.bytes, digest: image.digest }, trust, now })
  return checked.verified ? 'verified' : `${checked.rejection.code} ${checked.rejection.message}`
}

function twoLogs(root: Json): void {
  const logs = root['tlogs'] as Json[]
  const [log] = logs
  const publicKey = log?.['publicKey'] as Json
  logs.push({
    ...log,
    publicKey: { ...publicKey, rawBytes: base64(spki(otherLog)) },
    logId: { keyId: idOf(otherLog) },
  })
}

type Row = { readonly it: string; readonly entry: EntryOptions; readonly is: RegExp }

function table(name: string, rows: readonly Row[]): void {
  t.test(name, async t => {
    for (const { it, entry, is } of rows) {
      for (const by of PATHS) t.match(await check(by, entry), is, `${it}, by ${by}`)
    }
  })
}

const lines = (note: string): readonly string[] => note.split('\n')
/** The signature lines for a log: the first four bytes of its id, and a signature. */
const line = (name: string, hint: Buffer, signature: Buffer): string =>
  `\u2014 ${name} ${base64(Buffer.concat([hint, signature]))}\n`
const hintOf = (log: KeyPair): Buffer => sha256(spki(log)).subarray(0, 4)
const signed = (note: string, log: KeyPair): Buffer => sign('sha256', Buffer.from(note), log.privateKey)
const REKOR = 'rekor.example.org'

table('the checkpoint of a trusted log', [
  { it: 'as it is', entry: {}, is: /^verified/ },
  { it: 'of the other trusted log', entry: { log: otherLog }, is: /^verified/ },
  {
    it: 'a witness beside the log',
    entry: { noteSignatures: own => `${own}${line('witness', Buffer.from('wit1'), Buffer.from('x'))}` },
    is: /^verified/,
  },
])

table('case 14: the log that the entry names is the one that has signed the checkpoint', [
  {
    it: 'named the first, signed by the second',
    entry: { log: otherLog, change: entry => (entry['logId'] = { keyId: idOf(rekorKeys) }) },
    is: /^NOT_LOGGED/,
  },
  {
    it: 'named a log that is not trusted',
    entry: { change: entry => (entry['logId'] = { keyId: idOf(newKeys()) }) },
    is: /^NOT_LOGGED/,
  },
])

table('case 16: key hint and signature are required, whatever the name', [
  {
    it: 'another hint before the right signature',
    entry: { noteSignatures: (_, note) => line(REKOR, Buffer.from('hint'), signed(note, rekorKeys)) },
    is: /^NOT_LOGGED/,
  },
  {
    it: 'the hint of the other log',
    entry: { noteSignatures: (_, note) => line(REKOR, hintOf(otherLog), signed(note, rekorKeys)) },
    is: /^NOT_LOGGED/,
  },
  {
    it: 'the right hint before no signature',
    entry: { noteSignatures: () => line(REKOR, hintOf(rekorKeys), Buffer.from('no signature')) },
    is: /^NOT_LOGGED/,
  },
  {
    it: 'the right hint before a signature over another checkpoint',
    entry: { noteSignatures: (_, note) => line(REKOR, hintOf(rekorKeys), signed(`${note}x\n`, rekorKeys)) },
    is: /^NOT_LOGGED/,
  },
  {
    it: 'one letter of the name, with hint and signature of the log: the library looks for no more',
    entry: { noteSignatures: (_, note) => line('e', hintOf(rekorKeys), signed(note, rekorKeys)) },
    is: /^verified/,
  },
  {
    it: 'one letter of the name, with hint and signature of a stranger',
    entry: { noteSignatures: (_, note) => line('e', hintOf(rekorKeys), signed(note, newKeys())) },
    is: /^NOT_LOGGED/,
  },
])

table('case 19: a checkpoint that the log has signed, but that is none', [
  { it: 'no origin', entry: { note: note => lines(note).slice(1).join('\n') }, is: /^MALFORMED/ },
  { it: 'an empty origin', entry: { note: note => ['', ...lines(note).slice(1)].join('\n') }, is: /^MALFORMED/ },
  { it: 'no size', entry: { note: note => lines(note).toSpliced(1, 1).join('\n') }, is: /^MALFORMED/ },
  { it: 'no root', entry: { note: note => lines(note).toSpliced(2, 1).join('\n') }, is: /^MALFORMED/ },
  {
    it: 'signed by a witness only',
    entry: { noteSignatures: (_, note) => line('witness', Buffer.from('wit1'), signed(note, newKeys())) },
    is: /^NOT_LOGGED/,
  },
  { it: 'signed by nobody', entry: { noteSignatures: () => '' }, is: /^NOT_LOGGED/ },
])

table('case 15: texts that a reader could trip over', [
  { it: 'a size that is no number', entry: { note: note => note.replace('\n3\n', '\nxyz\n') }, is: /^MALFORMED/ },
  { it: 'a size in hexadecimal', entry: { note: note => note.replace('\n3\n', '\n0x3\n') }, is: /^MALFORMED/ },
  { it: 'an index that is none', entry: { change: entry => (entry['logIndex'] = 'abc') }, is: /^MALFORMED/ },
  {
    it: 'an index of the leaf that is none',
    entry: { change: entry => ((entry['inclusionProof'] as Json)['logIndex'] = 'abc') },
    is: /^MALFORMED/,
  },
  {
    it: 'a body that is no JSON',
    entry: { change: entry => (entry['canonicalizedBody'] = base64('x')) },
    is: /^NOT_LOGGED .*cannot be read/,
  },
])

t.test('case 15: the name of a signer is a text, and no pattern', async t => {
  // The hint is the trusted log's, so that the name is looked at; what is long enough to keep a pattern busy comes first.
  const forged = Buffer.from('no signature')
  for (const name of ['.*', '(', '[', '(a+)+$', 'a'.repeat(10_000), '\\']) {
    for (const by of PATHS) {
      const started = performance.now()
      const noteSignatures = (): string =>
        line(`${'a'.repeat(40)}!`, Buffer.from('hint'), forged) + line(name, hintOf(rekorKeys), forged)
      t.match(await check(by, { noteSignatures }), /^NOT_LOGGED/, `${name.slice(0, 20)}, by ${by}`)
      t.ok(performance.now() - started < 5000)
    }
  }
  const pattern = {
    noteSignatures: (_: string, note: string) => line('.*', hintOf(rekorKeys), signed(note, rekorKeys)),
  }
  t.match(await check('identity', pattern), /^NOT_LOGGED/, 'a pattern for the name, signed by the log')
})
