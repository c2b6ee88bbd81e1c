import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { attachedKeyless, type AttachedKeylessOptions } from '../support/attached-keyless.ts'
import { startEvilRegistry, type EvilRegistry } from '../support/evil-registry.ts'
import { startGate, temporaryDirectory, writePolicy } from '../support/gate.ts'
import {
  aboutOtherBytes,
  certify,
  ctKeys,
  ISSUER,
  makeBundle,
  MEDIA_TYPE_3,
  minutes,
  startTsa,
  statementAbout,
  SUBJECT,
  trustedRootOf,
  type BundleOptions,
  type EntryOptions,
  type Json,
} from '../support/local-sigstore.ts'
import {
  blobOf,
  imageOf,
  OCI_MANIFEST,
  payloadOf,
  SIMPLE_SIGNING,
  sigManifest,
  sigTag,
  type Blob,
} from '../support/signer.ts'
import {
  alternativeNames,
  authority,
  basicConstraints,
  extendedKeyUsage,
  extension,
  newKeys,
  OID,
  utf8,
} from '../support/x509.ts'

/**
 * Keyless signatures of the local sigstore, one thing wrong with each, before real cosign and before the gate. The gate
 * accepts nothing that `cosign verify` refuses; where it is stricter, the row says why.
 */
const cosign2 = process.env['COSIGN2']
const cosign3 = process.env['COSIGN3']
const missing = cosign2 === undefined || cosign3 === undefined ? 'needs COSIGN2 and COSIGN3' : undefined
if (missing !== undefined && process.env['CI'] === 'true') throw new Error(missing)

const tsa = await startTsa()
const trustedRoot = trustedRootOf([tsa])
/** A minute from now: the timestamp authority's certificate begins when the test does. Both allow for clocks that differ. */
const signedAt = minutes(-59)
const valid = { notBefore: minutes(-62), notAfter: minutes(-56) } as const
const stranger = authority('fulcio', { notBefore: minutes(-600), notAfter: minutes(600) })
const ctLog = { keys: ctKeys, at: signedAt } as const
const leafWith = (change: Parameters<typeof certify>[0] = {}): ReturnType<typeof certify> =>
  certify({ ctLog, ...valid, ...change })

type Verdict = 'accepts' | 'refuses'
type Row<T> = {
  readonly it: string
  readonly change: T
  readonly cosign: Verdict
  /** Why the gate refuses what cosign accepts. */
  readonly stricter?: string
}

/** Commands run one at a time: cosign alone takes a quarter of a gigabyte. */
async function cosignVerdict(program: string, args: readonly string[]): Promise<Verdict> {
  const child = spawn(program, ['verify', ...args], { stdio: 'ignore' })
  const code = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('exit', resolve))
  return code === 0 ? 'accepts' : 'refuses'
}

type Workshop = { readonly registry: EvilRegistry; readonly host: string; readonly root: string; readonly gate: string }

async function openWorkshop(t: Parameters<typeof startGate>[0]): Promise<Workshop> {
  const registry = await startEvilRegistry(t)
  registry.hasReferrersApi = true
  registry.on(/^GET \/v2\/$/, (_request, response) => {
    response.writeHead(200).end('{}')
    return true
  })
  const host = registry.url.replace('http://', '')
  const directory = temporaryDirectory(t)
  const root = join(directory, 'trusted_root.json')
  writeFileSync(root, trustedRoot)
  const requirement = {
    type: 'sealgate.sigstoreIdentity',
    trustedRootPath: root,
    identities: [{ issuer: ISSUER, subject: SUBJECT }],
  }
  const policy = writePolicy(directory, {
    default: [{ type: 'reject' }],
    transports: { docker: { [host]: [requirement] } },
  })
  const { url } = await startGate(t, { policy, registries: { [host]: { url: registry.url } } })
  return { registry, host, root, gate: `${url}/v2/${host}` }
}

async function gateVerdict({ gate }: Workshop, repository: string): Promise<Verdict> {
  const { status } = await fetch(`${gate}/${repository}/manifests/1`)
  if (status !== 200 && status !== 403) throw new Error(`the gate answered ${status}`)
  return status === 200 ? 'accepts' : 'refuses'
}

const identity = (root: string): readonly string[] => [
  '--trusted-root',
  root,
  '--certificate-identity',
  SUBJECT,
  '--certificate-oidc-issuer',
  ISSUER,
]

const spec = (body: Json): Json => body['spec'] as Json
const REFERENCE = 'localhost/app'

function stated(change: (payload: Json, critical: Json) => void) {
  return (image: Blob): AttachedKeylessOptions => {
    const made: Json = JSON.parse(payloadOf(image.digest, REFERENCE).toString())
    change(made, made['critical'] as Json)
    return { payload: Buffer.from(JSON.stringify(made)) }
  }
}

const ATTACHED: readonly Row<AttachedKeylessOptions | ((image: Blob) => AttachedKeylessOptions)>[] = [
  { it: 'nothing', change: {}, cosign: 'accepts' },
  {
    it: 'a timestamp beside the log',
    change: { timestamp: signature => tsa.stamp(signature, signedAt) },
    cosign: 'accepts',
  },
  { it: 'another log', change: { log: newKeys() }, cosign: 'refuses' },
  {
    it: 'another time than the log signed',
    change: { set: set => ((set['Payload'] as Json)['integratedTime'] = minutes(-58).getTime() / 1000) },
    cosign: 'refuses',
  },
  {
    it: 'another index than the log signed',
    change: { set: set => ((set['Payload'] as Json)['logIndex'] = 1) },
    cosign: 'refuses',
  },
  {
    it: 'an entry about another payload',
    change: { body: body => (spec(body)['data'] = { hash: { algorithm: 'sha256', value: '00'.repeat(32) } }) },
    cosign: 'refuses',
  },
  {
    it: 'an entry about another signature',
    change: { body: body => ((spec(body)['signature'] as Json)['content'] = 'eA==') },
    cosign: 'refuses',
  },
  { it: 'logged after the certificate expired', change: { integratedAt: minutes(-55) }, cosign: 'refuses' },
  { it: 'logged before the certificate was issued', change: { integratedAt: minutes(-63) }, cosign: 'refuses' },
  { it: 'no log entry', change: { change: { 'dev.sigstore.cosign/bundle': undefined } }, cosign: 'refuses' },
  { it: 'no certificate', change: { change: { 'dev.sigstore.cosign/certificate': undefined } }, cosign: 'refuses' },
  { it: 'another key', change: { keys: newKeys() }, cosign: 'refuses' },
  { it: 'another authority', change: { leaf: leafWith({ issuer: stranger }) }, cosign: 'refuses' },
  { it: 'another CT log', change: { leaf: leafWith({ ctLog: { keys: newKeys(), at: signedAt } }) }, cosign: 'refuses' },
  {
    it: 'not for code signing',
    change: { leaf: leafWith({ replace: { extendedKeyUsage: extendedKeyUsage(OID.serverAuth) } }) },
    cosign: 'refuses',
  },
  {
    it: 'an unknown critical extension',
    change: { leaf: leafWith({ add: [extension('1.2.3.4.5', utf8('x'), true)] }) },
    cosign: 'refuses',
  },
  {
    it: 'a CA that signs',
    change: { leaf: leafWith({ add: [basicConstraints(true)] }) },
    cosign: 'accepts',
    stricter: 'a CA is no signer',
  },
  {
    it: 'another name',
    change: { leaf: leafWith({ replace: { names: alternativeNames({ uri: `${SUBJECT}x` }) } }) },
    cosign: 'refuses',
  },
  {
    it: 'another issuer',
    change: {
      leaf: leafWith({
        replace: { issuerV1: extension(OID.issuerV1, Buffer.from('https://evil.example')), issuerV2: undefined },
      }),
    },
    cosign: 'refuses',
  },
  {
    it: 'two issuers',
    change: { leaf: leafWith({ replace: { issuerV1: extension(OID.issuerV1, Buffer.from('https://evil.example')) } }) },
    cosign: 'refuses',
  },
  {
    it: 'about another digest',
    change: stated((_, critical) => (critical['image'] = { 'docker-manifest-digest': aboutOtherBytes() })),
    cosign: 'refuses',
  },
  {
    it: 'a payload of another type',
    change: stated((_, critical) => (critical['type'] = 'atomic container signature')),
    cosign: 'accepts',
    stricter: 'GPG’s statements are not cosign’s',
  },
  {
    it: 'a payload with an unknown field',
    change: stated(made => (made['more'] = 1)),
    cosign: 'accepts',
    stricter: 'as containers/image',
  },
  {
    it: 'a timestamp over something else',
    change: { timestamp: () => tsa.stamp(Buffer.from('x'), signedAt) },
    cosign: 'accepts',
    stricter: 'what is there must hold',
  },
]

t.test('.sig annotations of cosign 2', { skip: missing ?? false, timeout: 300_000 }, async t => {
  if (cosign2 === undefined) throw new Error('skipped')
  const workshop = await openWorkshop(t)
  const { registry, host, root } = workshop
  for (const [index, { it, change, cosign, stricter }] of ATTACHED.entries()) {
    const repository = `sig-${index}`
    const image = registry.put(repository, imageOf(it), '1')
    const options = typeof change === 'function' ? change(image) : change
    const { payload, annotations } = await attachedKeyless(image.digest, `${host}/${repository}`, {
      leaf: leafWith(),
      integratedAt: signedAt,
      ...options,
    })
    const layer = { payload: blobOf(payload, SIMPLE_SIGNING), annotations }
    registry.put(repository, sigManifest([layer]), sigTag(image.digest))
    t.equal(await cosignVerdict(cosign2, [...identity(root), `${host}/${repository}:1`]), cosign, `cosign 2: ${it}`)
    t.equal(await gateVerdict(workshop, repository), stricter === undefined ? cosign : 'refuses', `gate: ${it}`)
  }
})

t.test('timestamps of cosign 2, asked for', { skip: missing ?? false, timeout: 60_000 }, async t => {
  if (cosign2 === undefined) throw new Error('skipped')
  const workshop = await openWorkshop(t)
  const { registry, host, root } = workshop
  const table = [
    { it: 'over the signature', of: (signature: Buffer) => signature, is: 'accepts' },
    { it: 'over something else', of: () => Buffer.from('x'), is: 'refuses' },
  ] as const
  for (const [index, { it, of, is }] of table.entries()) {
    const repository = `stamp-${index}`
    const image = registry.put(repository, imageOf(it), '1')
    const { payload, annotations } = await attachedKeyless(image.digest, `${host}/${repository}`, {
      leaf: leafWith(),
      integratedAt: signedAt,
      timestamp: signature => tsa.stamp(of(signature), signedAt),
    })
    const layer = { payload: blobOf(payload, SIMPLE_SIGNING), annotations }
    registry.put(repository, sigManifest([layer]), sigTag(image.digest))
    const args = ['--use-signed-timestamps', ...identity(root), `${host}/${repository}:1`]
    t.equal(await cosignVerdict(cosign2, args), is, `cosign 2: ${it}`)
    t.equal(await gateVerdict(workshop, repository), is, `gate: ${it}`)
  }
})

t.test('an envelope in each kind of log entry', { skip: missing ?? false, timeout: 120_000 }, async t => {
  if (cosign2 === undefined || cosign3 === undefined) throw new Error('skipped')
  const workshop = await openWorkshop(t)
  const { registry, host, root } = workshop
  const table: readonly (EntryOptions & { readonly cosign: readonly [Verdict, Verdict] })[] = [
    { kind: 'dsse 0.0.1', with: 'both', cosign: ['accepts', 'accepts'] },
    { kind: 'dsse 0.0.1', with: 'proof', cosign: ['accepts', 'accepts'] },
    { kind: 'intoto 0.0.2', with: 'both', cosign: ['accepts', 'accepts'] },
    { kind: 'hashedrekord 0.0.1', with: 'both', cosign: ['accepts', 'refuses'] },
    { kind: 'hashedrekord 0.0.2', with: 'proof', cosign: ['accepts', 'accepts'] },
    { kind: 'dsse 0.0.2', with: 'proof', cosign: ['accepts', 'refuses'] },
  ]
  for (const [index, { cosign, ...entry }] of table.entries()) {
    const repository = `kind-${index}`
    const image = registry.put(repository, imageOf(repository), '1')
    const leaf = leafWith()
    const bytes = await makeBundle({
      by: { keys: leaf.keys, certificate: leaf },
      statement: statementAbout(image.digest),
      entries: [{ integratedAt: signedAt, ...entry }],
      timestamps: async signature => [await tsa.stamp(signature, signedAt)],
    })
    registry.put(repository, bundleManifest(bytes, image))
    const args = ['--new-bundle-format', '--use-signed-timestamps', ...identity(root), `${host}/${repository}:1`]
    const it = `${entry.kind}, ${entry.with}`
    t.equal(await cosignVerdict(cosign2, args), cosign[0], `cosign 2: ${it}`)
    t.equal(await cosignVerdict(cosign3, args), cosign[1], `cosign 3: ${it}`)
    t.equal(await gateVerdict(workshop, repository), 'accepts', `gate: ${it}`)
  }
})

t.test('what each version of cosign makes of the other’s', { skip: missing ?? false, timeout: 60_000 }, async t => {
  if (cosign2 === undefined || cosign3 === undefined) throw new Error('skipped')
  const workshop = await openWorkshop(t)
  const { registry, host, root } = workshop
  const sig = registry.put('sig', imageOf('sig'), '1')
  const leaf = leafWith()
  const { payload, annotations } = await attachedKeyless(sig.digest, `${host}/sig`, { leaf, integratedAt: signedAt })
  registry.put('sig', sigManifest([{ payload: blobOf(payload, SIMPLE_SIGNING), annotations }]), sigTag(sig.digest))
  const bundled = registry.put('bundle', imageOf('bundle'), '1')
  const bytes = await makeBundle({
    by: { keys: leaf.keys, certificate: leaf },
    statement: statementAbout(bundled.digest),
    entries: [{ integratedAt: signedAt }],
  })
  registry.put('bundle', bundleManifest(bytes, bundled))
  const table = [
    { it: 'cosign 3 on .sig', program: cosign3, args: [], repository: 'sig', is: 'accepts' },
    {
      it: 'cosign 3 on .sig, bundles switched off',
      program: cosign3,
      args: ['--new-bundle-format=false'],
      repository: 'sig',
      is: 'accepts',
    },
    { it: 'cosign 2 on a bundle', program: cosign2, args: [], repository: 'bundle', is: 'accepts' },
    {
      it: 'cosign 2 on a bundle, switched on',
      program: cosign2,
      args: ['--new-bundle-format'],
      repository: 'bundle',
      is: 'accepts',
    },
  ] as const
  for (const { it, program, args, repository, is } of table) {
    t.equal(await cosignVerdict(program, [...args, ...identity(root), `${host}/${repository}:1`]), is, it)
  }
  t.equal(await gateVerdict(workshop, 'sig'), 'accepts')
  t.equal(await gateVerdict(workshop, 'bundle'), 'accepts')
})

type BundleChange = {
  readonly leaf?: ReturnType<typeof certify>
  readonly bundle?: Partial<BundleOptions>
  readonly entry?: EntryOptions
}
const entryWith = (change: EntryOptions): BundleChange => ({ entry: change })

const BUNDLES: readonly Row<BundleChange>[] = [
  { it: 'nothing', change: {}, cosign: 'accepts' },
  { it: 'another log', change: entryWith({ log: newKeys() }), cosign: 'refuses' },
  { it: 'logged after the certificate expired', change: entryWith({ integratedAt: minutes(-55) }), cosign: 'refuses' },
  { it: 'no log entry', change: { bundle: { entries: [] } }, cosign: 'refuses' },
  { it: 'a proof without a time', change: entryWith({ with: 'proof' }), cosign: 'refuses' },
  { it: 'another authority', change: { leaf: leafWith({ issuer: stranger }) }, cosign: 'refuses' },
  { it: 'another CT log', change: { leaf: leafWith({ ctLog: { keys: newKeys(), at: signedAt } }) }, cosign: 'refuses' },
  {
    it: 'another name',
    change: { leaf: leafWith({ replace: { names: alternativeNames({ uri: `${SUBJECT}x` }) } }) },
    cosign: 'refuses',
  },
  {
    it: 'about another digest',
    change: { bundle: { statement: statementAbout(aboutOtherBytes()) } },
    cosign: 'refuses',
  },
  {
    it: 'a timestamp over something else',
    change: { bundle: { timestamps: async () => [await tsa.stamp(Buffer.from('x'), signedAt)] } },
    cosign: 'accepts',
    stricter: 'what is there must hold',
  },
]

t.test('sigstore bundles of cosign 3', { skip: missing ?? false, timeout: 300_000 }, async t => {
  if (cosign3 === undefined) throw new Error('skipped')
  const workshop = await openWorkshop(t)
  const { registry, host, root } = workshop
  for (const [index, { it, change, cosign, stricter }] of BUNDLES.entries()) {
    const repository = `bundle-${index}`
    const image = registry.put(repository, imageOf(it), '1')
    const leaf = change.leaf ?? leafWith()
    const bytes = await makeBundle({
      by: { keys: leaf.keys, certificate: leaf },
      statement: statementAbout(image.digest),
      entries: [{ integratedAt: signedAt, ...change.entry }],
      ...change.bundle,
    })
    registry.put(repository, bundleManifest(bytes, image))
    t.equal(await cosignVerdict(cosign3, [...identity(root), `${host}/${repository}:1`]), cosign, `cosign 3: ${it}`)
    t.equal(await gateVerdict(workshop, repository), stricter === undefined ? cosign : 'refuses', `gate: ${it}`)
  }
})

/** What cosign 3 attaches: a manifest whose one layer is the bundle, with the image as its subject. */
function bundleManifest(bytes: Buffer, { mediaType, digest, size }: Blob): { manifest: Blob; blobs: readonly Blob[] } {
  const bundle = blobOf(bytes, MEDIA_TYPE_3)
  const empty = blobOf('{}', 'application/vnd.oci.empty.v1+json')
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    artifactType: MEDIA_TYPE_3,
    config: { mediaType: empty.mediaType, digest: empty.digest, size: empty.size },
    layers: [{ mediaType: bundle.mediaType, digest: bundle.digest, size: bundle.size }],
    subject: { mediaType, digest, size },
    annotations: {
      'dev.sigstore.bundle.content': 'dsse-envelope',
      'dev.sigstore.bundle.predicateType': 'https://sigstore.dev/cosign/sign/v1',
    },
  }
  return { manifest: blobOf(JSON.stringify(manifest), OCI_MANIFEST), blobs: [bundle, empty] }
}
