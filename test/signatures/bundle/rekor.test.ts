import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { checkBundle, type BundleTrust } from '../../../src/signatures/bundle/check-bundle.ts'
import { trustedKeyOf, verifyWithKey } from '../../../src/signatures/public-key.ts'
import {
  ed25519Keys,
  makeBundle,
  MEDIA_TYPE_1,
  MEDIA_TYPE_3,
  minutes,
  now,
  pae,
  rekorKeys,
  sha256,
  spki,
  startTsa,
  statementAbout,
  type BundleOptions,
  type EntryKind,
  type EntryOptions,
  type Json,
} from '../../support/local-sigstore.ts'
import { imageOf } from '../../support/signer.ts'
import { mirroredSignature, twinKey } from '../../support/ecdsa.ts'
import { newKeys, type KeyPair } from '../../support/x509.ts'

const image = imageOf('rekor').manifest
const keys = newKeys()
const stranger = newKeys()

type Change = {
  readonly bundle?: Partial<BundleOptions>
  readonly entry?: EntryOptions
  /** none: no log is demanded. */
  readonly rekor?: readonly KeyPair[] | 'none'
  readonly keys?: KeyPair
  readonly now?: Date
}

/** A bundle by a key, in a log that the policy demands, with one thing changed before or after it is signed. */
async function check(change: Change = {}): Promise<string> {
  const untrustedBytes = await makeBundle({
    by: { keys },
    statement: statementAbout(image.digest),
    entries: [change.entry ?? {}],
    ...change.bundle,
  })
  const trust: BundleTrust = {
    by: 'keys',
    keys: [trustedKeyOf((change.keys ?? keys).publicKey, 'cosign.pub')],
    rekorKeys:
      change.rekor === 'none'
        ? undefined
        : (change.rekor ?? [rekorKeys]).map(pair => trustedKeyOf(pair.publicKey, 'rekor.pub')),
  }
  const subject = { bytes: image.bytes, digest: image.digest }
  const checked = checkBundle({ untrustedBytes, subject, trust, now: change.now ?? now })
  return checked.verified ? 'verified' : `${checked.rejection.code} ${checked.rejection.message}`
}

const KINDS: readonly EntryKind[] = [
  'hashedrekord 0.0.1',
  'hashedrekord 0.0.2',
  'dsse 0.0.1',
  'dsse 0.0.2',
  'intoto 0.0.2',
]

/** Changes one place in a tree of objects and lists. */
function set(tree: Json, path: string, value: unknown): void {
  const steps = path.split('.')
  const last = steps.pop() ?? ''
  let at: Json = tree
  for (const step of steps) at = at[step] as Json
  if (value === undefined) delete at[last]
  else at[last] = value
}
const inBody = (kind: EntryKind, path: string, value: unknown): Change => ({
  entry: { kind, body: body => set(body, path, value) },
})
const inEntry = (path: string, value: unknown): Change => ({ entry: { change: entry => set(entry, path, value) } })
const base64 = (bytes: Buffer | string): string => Buffer.from(bytes).toString('base64')
const pemOf = (pair: KeyPair): string => pair.publicKey.export({ type: 'spki', format: 'pem' })

t.test('every kind of entry, promised, proved and both', async t => {
  for (const kind of KINDS) {
    for (const way of ['proof', 'both'] as const) {
      t.equal(await check({ entry: { kind, with: way } }), 'verified', `${kind}, ${way}`)
    }
    const old = await check({ entry: { kind, with: 'promise' }, bundle: { mediaType: MEDIA_TYPE_1 } })
    t.equal(old, 'verified', `${kind}, version 0.1 with a promise`)
  }
})

t.test('every kind of key', async t => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const table: readonly { it: string; pair: KeyPair; hash: string | null }[] = [
    { it: 'P-384 with SHA-384', pair: generateKeyPairSync('ec', { namedCurve: 'P-384' }), hash: 'sha384' },
    { it: 'P-521 with SHA-512', pair: generateKeyPairSync('ec', { namedCurve: 'P-521' }), hash: 'sha512' },
    { it: 'RSA', pair: rsa, hash: 'sha256' },
    { it: 'Ed25519', pair: ed25519Keys(), hash: null },
  ]
  for (const { it, pair, hash } of table) {
    t.equal(await check({ keys: pair, bundle: { by: { keys: pair, hash } } }), 'verified', it)
  }
})

t.test('an Ed25519 log, as Rekor v2 is', async t => {
  const log = ed25519Keys()
  const entry: EntryOptions = { log, ed25519: true, with: 'proof', kind: 'hashedrekord 0.0.2' }
  t.equal(await check({ entry, rekor: [log] }), 'verified')
  t.match(await check({ entry, rekor: [ed25519Keys()] }), /^NOT_LOGGED/, 'another log')
})

t.test('L (a), cases 1 to 3: an entry that the log has signed, about something else', async t => {
  const other = base64(sha256('other'))
  const otherHex = sha256('other').toString('hex')
  const table: readonly (readonly [EntryKind, string, unknown])[] = [
    ['hashedrekord 0.0.1', 'spec.data.hash.value', otherHex],
    ['hashedrekord 0.0.1', 'spec.data.hash.algorithm', 'sha512'],
    ['hashedrekord 0.0.1', 'spec.data.hash.algorithm', 'md5'],
    ['hashedrekord 0.0.1', 'spec.data.hash.value', ''],
    ['hashedrekord 0.0.1', 'spec.signature.content', other],
    ['hashedrekord 0.0.1', 'spec.signature.publicKey.content', base64(pemOf(stranger))],
    ['hashedrekord 0.0.1', 'spec.signature.publicKey.content', base64(pemOf(keys) + pemOf(stranger))],
    ['hashedrekord 0.0.1', 'spec.signature.publicKey', undefined],
    ['hashedrekord 0.0.1', 'spec.signature.format', 'x509'],
    ['hashedrekord 0.0.1', 'spec.extra', 1],
    ['hashedrekord 0.0.1', 'kind', 'rekord'],
    ['hashedrekord 0.0.1', 'apiVersion', '0.0.2'],
    ['hashedrekord 0.0.2', 'spec.hashedRekordV002.data.digest', other],
    ['hashedrekord 0.0.2', 'spec.hashedRekordV002.data.algorithm', 'SHA2_512'],
    ['hashedrekord 0.0.2', 'spec.hashedRekordV002.signature.content', other],
    ['hashedrekord 0.0.2', 'spec.hashedRekordV002.signature.verifier.publicKey.rawBytes', base64(spki(stranger))],
    ['hashedrekord 0.0.2', 'spec.hashedRekordV002.signature.verifier.publicKey', undefined],
    [
      'hashedrekord 0.0.2',
      'spec.hashedRekordV002.signature.verifier',
      { keyDetails: 'PKIX_ECDSA_P256_SHA_256', x509Certificate: { rawBytes: base64(spki(keys)) } },
    ],
    ['dsse 0.0.1', 'spec.payloadHash.value', otherHex],
    ['dsse 0.0.1', 'spec.payloadHash.algorithm', 'sha512'],
    ['dsse 0.0.1', 'spec.signatures.0.signature', other],
    ['dsse 0.0.1', 'spec.signatures.0.verifier', base64(pemOf(stranger))],
    ['dsse 0.0.1', 'spec.signatures', []],
    ['dsse 0.0.1', 'spec.signatures.1', { signature: other, verifier: base64(pemOf(stranger)) }],
    ['dsse 0.0.2', 'spec.dsseV002.payloadHash.digest', other],
    ['dsse 0.0.2', 'spec.dsseV002.signatures.0.content', other],
    ['dsse 0.0.2', 'spec.dsseV002.signatures.0.verifier.publicKey.rawBytes', base64(spki(stranger))],
    ['intoto 0.0.2', 'spec.content.payloadHash.value', otherHex],
    ['intoto 0.0.2', 'spec.content.envelope.signatures.0.sig', base64(other)],
    ['intoto 0.0.2', 'spec.content.envelope.signatures.0.publicKey', base64(pemOf(stranger))],
  ]
  for (const [kind, path, value] of table) {
    const isSignature = /(?:signature\.content|signatures\.0\.(?:signature|content|sig))$/.test(path)
    t.match(
      await check(inBody(kind, path, value)),
      isSignature ? /^NOT_LOGGED .*another signature/ : /^NOT_LOGGED/,
      `${kind}: ${path} = ${JSON.stringify(value)?.slice(0, 24)}`,
    )
  }
  // Text that the log has signed as it is, so that nothing but the reading of it refuses.
  const twice = (text: string): string => text.replace('{', '{"kind":"x",')
  t.match(await check({ entry: { text: () => 'x' } }), /^NOT_LOGGED .*cannot be read/, 'no JSON')
  t.match(await check({ entry: { text: twice } }), /^NOT_LOGGED .*repeated/, 'case 67: a key twice')
})

t.test('case 18: an index that nobody has signed is a decimal number all the same', async t => {
  const index = (text: unknown): Change => ({
    entry: { with: 'proof', change: entry => (entry['logIndex'] = text) },
  })
  for (const text of ['0', '4712', 4712]) t.equal(await check(index(text)), 'verified', String(text))
  for (const text of ['', ' 1', '+1', '-1', '01', '0x10', '0b1', '1e3', '1.0', '9007199254740993', '1n', -1, 0.5]) {
    t.match(await check(index(text)), /^MALFORMED/, JSON.stringify(text))
  }
})

t.test('case 27: an entry that names a second signature is about neither', async t => {
  const table: readonly (readonly [EntryKind, string])[] = [
    ['dsse 0.0.1', 'spec.signatures'],
    ['dsse 0.0.2', 'spec.dsseV002.signatures'],
    ['intoto 0.0.2', 'spec.content.envelope.signatures'],
  ]
  for (const [kind, path] of table) {
    const double = (body: Json): void => {
      const list = path.split('.').reduce<unknown>((at, step) => (at as Json)[step], body) as unknown[]
      list.push(list[0])
    }
    t.match(await check({ entry: { kind, body: double } }), /^NOT_LOGGED .*exactly one/, kind)
  }
})

t.test('case 30: a log entry never stands in for the signature, the signer or what was signed', async t => {
  const table: readonly { readonly it: string; readonly change: Change; readonly is: RegExp }[] = [
    {
      it: 'the entry is about another signature than the one in the bundle',
      change: inBody('dsse 0.0.1', 'spec.signatures.0.signature', base64(sha256('other'))),
      is: /^NOT_LOGGED .*another signature/,
    },
    {
      it: 'all is logged as it should be, but by a signer that nobody trusts',
      change: { bundle: { by: { keys: stranger } } },
      is: /^UNTRUSTED_SIGNER/,
    },
    {
      it: 'a bundle that is broken, where no log is demanded',
      change: { rekor: 'none', entry: { change: entry => delete entry['canonicalizedBody'] } },
      is: /^MALFORMED/,
    },
    {
      it: 'an entry that is none beside a signature that does not verify, where no log is demanded',
      change: {
        rekor: 'none',
        bundle: { by: { keys: stranger } },
        entry: { change: entry => (entry['canonicalizedBody'] = base64('x')) },
      },
      is: /^UNTRUSTED_SIGNER/,
    },
  ]
  for (const { it, change, is } of table) t.match(await check(change), is, it)
})

t.test('case 28: what a message signature says it is over must be the served bytes', async t => {
  const message = (digest: Buffer): Change => ({
    entry: { kind: 'hashedrekord 0.0.1' },
    bundle: {
      message: image.bytes,
      change: made => set(made, 'messageSignature.messageDigest.digest', base64(digest)),
    },
  })
  t.equal(await check(message(sha256(image.bytes))), 'verified')
  t.match(await check(message(sha256('other'))), /^WRONG_DIGEST/)
})

t.test('case 41: the base64 within an entry is canonical, the inner and the outer', async t => {
  const inner = (change: (text: string) => string): Change => ({
    entry: {
      kind: 'intoto 0.0.2',
      body: body => {
        const { content } = body['spec'] as { content: { envelope: { signatures: readonly Json[] } } }
        const [first] = content.envelope.signatures
        if (first !== undefined) first['sig'] = base64(change(Buffer.from(String(first['sig']), 'base64').toString()))
      },
    },
  })
  t.equal(await check(inner(text => text)), 'verified')
  for (const lax of [(text: string) => `${text}=`, (text: string) => `${text}\n`, (text: string) => ` ${text}`]) {
    t.match(await check(inner(lax)), /^NOT_LOGGED .*base64/)
  }
})

t.test('case 43: s and n - s are one signature to the key, and two to the log', async t => {
  const mirrored: Change = {
    bundle: {
      change: made => {
        const path = 'dsseEnvelope.signatures.0.sig'
        const [signature] = (made['dsseEnvelope'] as { signatures: { sig: string }[] }).signatures
        set(made, path, base64(mirroredSignature(Buffer.from(signature?.sig ?? '', 'base64'))))
      },
    },
  }
  t.equal(await check({ ...mirrored, rekor: 'none' }), 'verified')
  t.match(await check(mirrored), /^NOT_LOGGED .*another signature/)
})

t.test('case 51: another key that verifies the same signature is not the signer, whoever names it', async t => {
  const signed = pae('application/vnd.in-toto+json', Buffer.from(JSON.stringify(statementAbout(image.digest))))
  const twinOf = (signature: unknown): string => {
    const bytes = Buffer.from(String(signature), 'base64')
    const twin = twinKey(bytes, signed, keys.publicKey)
    t.ok(verifyWithKey(trustedKeyOf(twin, 'twin'), signed, bytes), 'it does verify')
    return base64(twin.export({ type: 'spki', format: 'pem' }))
  }
  type Signatures = { readonly signatures: readonly Json[] }
  const byTheLog: Change = {
    entry: {
      body: body => {
        const [first] = (body['spec'] as Signatures).signatures
        if (first !== undefined) first['verifier'] = twinOf(first['signature'])
      },
    },
  }
  t.match(await check(byTheLog), /^NOT_LOGGED .*another signer/)
  const byTheBundle: Change = {
    rekor: 'none',
    keys: stranger,
    bundle: {
      change: made => {
        const [first] = (made['dsseEnvelope'] as Signatures).signatures
        set(made, 'verificationMaterial.publicKey.hint', twinOf(first?.['sig']))
      },
    },
  }
  t.match(await check(byTheBundle), /^UNTRUSTED_SIGNER/)
})

t.test('what the log itself has signed', async t => {
  const wrong = base64(sha256('wrong'))
  const ofAnother: EntryOptions = { body: body => set(body, 'spec.signatures.0.signature', wrong) }
  const table: readonly { it: string; change: Change; is: RegExp }[] = [
    { it: 'no entry', change: { bundle: { entries: [] } }, is: /^NOT_LOGGED/ },
    { it: 'by another log', change: { entry: { log: stranger } }, is: /^NOT_LOGGED/ },
    { it: 'case 50: by the signing key', change: { entry: { log: keys } }, is: /^NOT_LOGGED/ },
    { it: 'case 72: a log id of three bytes', change: inEntry('logId.keyId', 'YWJj'), is: /^MALFORMED .*not 32/ },
    { it: 'case 72: a log id of no bytes', change: inEntry('logId.keyId', ''), is: /^MALFORMED/ },
    { it: 'another log id', change: inEntry('logId.keyId', wrong), is: /^NOT_LOGGED/ },
    {
      it: 'case 50: the log’s own key as the signer',
      change: { bundle: { by: { keys: rekorKeys } } },
      is: /^UNTRUSTED_SIGNER/,
    },
    { it: 'case 50: the signing key as the log’s', change: { rekor: [keys] }, is: /^NOT_LOGGED/ },
    { it: 'another index', change: inEntry('logIndex', '4712'), is: /^NOT_LOGGED/ },
    { it: 'case 67: an index beyond 2^53', change: inEntry('logIndex', '9007199254740993'), is: /^MALFORMED/ },
    { it: 'case 67: an index that is a number beyond', change: inEntry('logIndex', 2 ** 53), is: /^MALFORMED/ },
    { it: 'case 67: a time beyond 2^53', change: inEntry('integratedTime', '9007199254740993'), is: /^MALFORMED/ },
    { it: 'case 67: an index in hexadecimal', change: inEntry('logIndex', '0x1267'), is: /^MALFORMED/ },
    { it: 'another time', change: inEntry('integratedTime', String(minutes(1).getTime() / 1000)), is: /^NOT_LOGGED/ },
    { it: 'a broken promise', change: inEntry('inclusionPromise.signedEntryTimestamp', wrong), is: /^NOT_LOGGED/ },
    { it: 'case 18: another root', change: inEntry('inclusionProof.rootHash', wrong), is: /^MALFORMED/ },
    { it: 'case 18: another tree size', change: inEntry('inclusionProof.treeSize', '4'), is: /^MALFORMED/ },
    { it: 'case 18: a broken path', change: inEntry('inclusionProof.hashes.0', wrong), is: /^NOT_LOGGED/ },
    { it: 'case 18: a short path', change: inEntry('inclusionProof.hashes', []), is: /^NOT_LOGGED/ },
    { it: 'case 18: another leaf', change: inEntry('inclusionProof.logIndex', '0'), is: /^NOT_LOGGED/ },
    { it: 'case 18: a leaf beyond the tree', change: inEntry('inclusionProof.logIndex', '3'), is: /^MALFORMED/ },
    { it: 'case 18: a negative leaf', change: inEntry('inclusionProof.logIndex', '-1'), is: /^MALFORMED/ },
    { it: 'case 18: a hexadecimal leaf', change: inEntry('inclusionProof.logIndex', '0x1'), is: /^MALFORMED/ },
    {
      it: 'case 18: a tree beyond 2^53',
      change: inEntry('inclusionProof.treeSize', '18446744073709551615'),
      is: /^MALFORMED/,
    },
    {
      it: 'case 225, L (f): 65 hashes',
      change: inEntry(
        'inclusionProof.hashes',
        Array.from({ length: 65 }, () => wrong),
      ),
      is: /^MALFORMED .*64/,
    },
    {
      it: 'a checkpoint by nobody',
      change: inEntry('inclusionProof.checkpoint.envelope', 'x\n3\ny\n'),
      is: /^MALFORMED/,
    },
    { it: 'no checkpoint', change: inEntry('inclusionProof.checkpoint', undefined), is: /^MALFORMED/ },
    { it: 'case 17: no proof in version 0.3', change: inEntry('inclusionProof', undefined), is: /^MALFORMED/ },
    {
      it: 'no promise in version 0.1',
      change: { entry: { with: 'proof' }, bundle: { mediaType: MEDIA_TYPE_1 } },
      is: /^MALFORMED/,
    },
    {
      it: 'case 17: called version 0.1 and its proof taken out: the promise has to hold',
      change: {
        bundle: { mediaType: MEDIA_TYPE_1 },
        entry: {
          change: entry => {
            delete entry['inclusionProof']
            set(entry, 'inclusionPromise.signedEntryTimestamp', wrong)
          },
        },
      },
      is: /^NOT_LOGGED/,
    },
    {
      it: 'case 17: called version 0.1, and both taken out',
      change: {
        bundle: { mediaType: MEDIA_TYPE_1 },
        entry: { change: entry => (delete entry['inclusionProof'], delete entry['inclusionPromise']) },
      },
      is: /^MALFORMED/,
    },
    {
      it: 'neither promise nor proof',
      change: { entry: { change: entry => (delete entry['inclusionProof'], delete entry['inclusionPromise']) } },
      is: /^MALFORMED/,
    },
    { it: 'another kind beside the body', change: inEntry('kindVersion.kind', 'intoto'), is: /^NOT_LOGGED/ },
    { it: 'a kind from Object', change: inEntry('kindVersion.kind', '__proto__'), is: /^NOT_LOGGED/ },
    {
      it: 'L (b), case 4: in the future',
      change: { entry: { integratedAt: new Date('2100-01-01') } },
      is: /^NOT_LOGGED .*future/,
    },
    {
      it: 'case 13: the same entry twice',
      change: { bundle: { entries: [{ with: 'proof' }, { with: 'proof' }] } },
      is: /^NOT_LOGGED .*duplicate/,
    },
    {
      it: 'case 13: the same entry twice, under two indexes that no proof has in it',
      change: {
        bundle: { entries: [{ with: 'proof' }, { with: 'proof', change: entry => (entry['logIndex'] = '1') }] },
      },
      is: /^NOT_LOGGED .*duplicate/,
    },
    {
      it: 'one good and one foreign entry',
      change: { bundle: { entries: [{}, { log: stranger }] } },
      is: /^NOT_LOGGED/,
    },
    {
      it: 'case 32: a good entry, and one of the same log about another signature',
      change: { bundle: { entries: [{}, ofAnother] } },
      is: /^NOT_LOGGED .*another signature/,
    },
    {
      it: 'case 32: the same in the other order',
      change: { bundle: { entries: [ofAnother, {}] } },
      is: /^NOT_LOGGED .*another signature/,
    },
    {
      it: 'L (f): nine entries',
      change: { bundle: { entries: Array.from({ length: 9 }, () => ({})) } },
      is: /^MALFORMED .*8/,
    },
  ]
  for (const { it, change, is } of table) t.match(await check(change), is, it)
})

t.test('L (f): lists are bounded before anything else is done', async t => {
  const tsa = await startTsa()
  const stamp = await tsa.stamp(Buffer.from('x'))
  const nine = await check({ bundle: { timestamps: async () => Array.from({ length: 9 }, () => stamp) } })
  t.match(nine, /^MALFORMED .*8/, 'nine timestamps')
  const certificates = Array.from({ length: 11 }, () => ({ rawBytes: 'AAAA' }))
  const eleven = await check({
    bundle: {
      mediaType: MEDIA_TYPE_1,
      change: made => (made['verificationMaterial'] = { x509CertificateChain: { certificates } }),
    },
  })
  t.match(eleven, /^MALFORMED .*10/, 'eleven certificates')
})

t.test('L (h): whatever is thrown is a refusal', async t => {
  const tsa = await startTsa()
  const broken: readonly (readonly [string, (made: Json) => void])[] = [
    ['case 38: the hint __proto__', made => set(made, 'verificationMaterial.publicKey.hint', '__proto__')],
    ['case 38: the hint constructor', made => set(made, 'verificationMaterial.publicKey.hint', 'constructor')],
  ]
  for (const [it, change] of broken) {
    t.equal(await check({ bundle: { change } }), 'verified', `${it} is not looked up`)
  }
  // A broken timestamp is parsed only where one is asked for; the keyless suite has those that are.
  t.equal(await check({ bundle: { timestamps: async () => [Buffer.from('no DER')] } }), 'verified', 'not asked for')
  t.ok(tsa)
})

t.test('without Rekor keys no log is asked, and none is believed', async t => {
  const untrustedBytes = await makeBundle({
    by: { keys },
    statement: statementAbout(image.digest),
    entries: [{ log: stranger, integratedAt: new Date('2100-01-01') }],
    mediaType: MEDIA_TYPE_3,
  })
  const trust: BundleTrust = { by: 'keys', keys: [trustedKeyOf(keys.publicKey, 'cosign.pub')], rekorKeys: undefined }
  const checked = checkBundle({ untrustedBytes, subject: { bytes: image.bytes, digest: image.digest }, trust, now })
  t.match(checked, { verified: true, signature: { loggedAt: undefined } })
})
