import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { must, run } from '../end-to-end/support/processes.ts'
import { findPrograms, type Programs } from '../end-to-end/support/programs.ts'
import { createPublisher, type Publisher } from '../end-to-end/support/publisher.ts'
import { startRegistry } from '../end-to-end/support/registry.ts'
import { startGate, writePolicy } from '../support/gate.ts'

/**
 * What real cosign makes, in every format it has and with every kind of key, against what it says of it itself. The
 * gate's verdict is cosign's, but for what cosign makes and cannot verify (docs/compatibility.md).
 */
const KEYS = {
  p256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  p384: () => generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  p521: () => generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  rsa2048: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ed25519: () => generateKeyPairSync('ed25519'),
} as const
type KeyKind = keyof typeof KEYS

type Format = {
  readonly name: string
  readonly cosign: 'COSIGN2' | 'COSIGN3'
  readonly sign: readonly string[]
  readonly verify: readonly string[]
  /** Whether `cosign verify` can be asked without a sigstore of one's own. */
  readonly verifiable: boolean
}

const FORMATS: readonly Format[] = [
  { name: 'cosign2-sig', cosign: 'COSIGN2', sign: [], verify: [], verifiable: true },
  {
    name: 'cosign2-bundle',
    cosign: 'COSIGN2',
    sign: ['--new-bundle-format'],
    verify: ['--new-bundle-format'],
    verifiable: false,
  },
  {
    name: 'cosign3-sig',
    cosign: 'COSIGN3',
    sign: ['--use-signing-config=false', '--new-bundle-format=false'],
    verify: ['--new-bundle-format=false'],
    verifiable: true,
  },
  { name: 'cosign3-bundle', cosign: 'COSIGN3', sign: ['--use-signing-config=false'], verify: [], verifiable: true },
]
/** cosign 2.6.5 and 3.1.3 sign with the hash of the curve's size, or Ed25519ph, and verify with SHA-256, or Ed25519. */
const UNVERIFIABLE_BY_COSIGN: ReadonlySet<KeyKind> = new Set(['p384', 'p521', 'ed25519'])

const found = findPrograms()
const cosign3 = process.env['COSIGN3']
const missing =
  'missing' in found ? found.missing : cosign3 === undefined ? 'needs COSIGN3, the path of cosign 3' : undefined
if (missing !== undefined && process.env['CI'] === 'true') throw new Error(missing)

t.test('what cosign signs, the gate accepts, and with another key it does not', { skip: missing ?? false }, async t => {
  if ('missing' in found || cosign3 === undefined) throw new Error('skipped')
  const { programs } = found
  const directory = await mkdtemp(join(tmpdir(), 'sealgate-interop-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const registry = await startRegistry(programs, join(directory, 'registry'))
  t.teardown(() => registry.stop())
  const publisher = createPublisher(programs, registry.host, join(directory, 'publisher'))
  const workshop: Workshop = { programs, cosign3, directory, host: registry.host, publisher }
  for (const kind of ['p256', 'p384', 'p521', 'rsa2048', 'ed25519'] as const) await importKeyPair(workshop, kind)

  const signed = (['p256', 'p384', 'p521', 'rsa2048', 'ed25519'] as const).flatMap(kind =>
    FORMATS.map(format => ({ kind, format })),
  )
  for (const { kind, format } of signed) await sign(workshop, `${kind}-${format.name}`, kind, format, [])
  const [, , , bundle] = FORMATS
  const [attached] = FORMATS
  if (attached === undefined || bundle === undefined) throw new Error('no formats')
  await sign(workshop, 'annotated-sig', 'p256', attached, ['-a', 'env=prod'])
  await sign(workshop, 'annotated-bundle', 'p256', bundle, ['-a', 'env=prod'])
  await signIndex(workshop, 'recursive-sig', attached)
  await signIndex(workshop, 'recursive-bundle', bundle)
  // Case 65: a `.sig` by another key beside a bundle by the right one.
  await sign(workshop, 'both', 'rsa2048', attached, [])
  await signAgain(workshop, 'both', 'p256', bundle)

  const gate = async (keyOf: (repository: string) => KeyKind) => {
    const repositories = [
      ...signed.map(({ kind, format }) => `${kind}-${format.name}`),
      'annotated-sig',
      'annotated-bundle',
      'recursive-sig',
      'recursive-bundle',
      'both',
    ]
    const scopes = repositories.map(name => [
      `${registry.host}/${name}`,
      [{ type: 'sigstoreSigned', keyPath: join(directory, `${keyOf(name)}.pub`) }],
    ])
    const policy = { default: [{ type: 'reject' }], transports: { docker: Object.fromEntries(scopes) } }
    return startGate(t, {
      policy: writePolicy(directory, policy, `policy-${keyOf('x')}.json`),
      registries: { [registry.host]: { url: `http://${registry.host}` } },
    })
  }
  const kindOf = (name: string): KeyKind =>
    (['p256', 'p384', 'p521', 'rsa2048', 'ed25519'] as const).find(kind => name.startsWith(kind)) ?? 'p256'
  const right = await gate(kindOf)
  const wrong = await gate(name => (kindOf(name) === 'p256' ? 'p384' : 'p256'))
  const status = async (url: string, name: string): Promise<number> =>
    (await fetch(`${url}/v2/${registry.host}/${name}/manifests/latest`)).status

  for (const { kind, format } of signed) {
    const name = `${kind}-${format.name}`
    t.equal(await status(right.url, name), 200, name)
    t.equal(await status(wrong.url, name), 403, `${name}: another key`)
    if (!format.verifiable) continue
    const cosignSays = await cosignVerifies(workshop, name, kind, format)
    t.equal(cosignSays, !UNVERIFIABLE_BY_COSIGN.has(kind), `${name}: what cosign says of it itself is as documented`)
  }
  for (const name of ['annotated-sig', 'annotated-bundle', 'recursive-sig', 'recursive-bundle', 'both']) {
    t.equal(await status(right.url, name), 200, name)
    t.equal(await status(wrong.url, name), 403, `${name}: another key`)
  }
})

type Workshop = {
  readonly programs: Programs
  readonly cosign3: string
  readonly directory: string
  readonly host: string
  readonly publisher: Publisher
}

const env = { COSIGN_PASSWORD: '' }
const programOf = (workshop: Workshop, format: Format): string =>
  format.cosign === 'COSIGN2' ? workshop.programs.cosign2 : workshop.cosign3

/** A key pair of this kind, in cosign's form; the private key lives as long as the test. */
async function importKeyPair({ programs, directory }: Workshop, kind: KeyKind): Promise<void> {
  const file = join(directory, `${kind}.pem`)
  await writeFile(file, KEYS[kind]().privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  const prefix = join(directory, kind)
  await must({
    program: programs.cosign2,
    args: ['import-key-pair', '--key', file, '--output-key-prefix', prefix],
    env,
  })
}

async function sign(
  workshop: Workshop,
  name: string,
  kind: KeyKind,
  format: Format,
  flags: readonly string[],
): Promise<void> {
  await workshop.publisher.pushImage(`${name}:latest`, name)
  await signAgain(workshop, name, kind, format, flags)
}

async function signIndex(workshop: Workshop, name: string, format: Format): Promise<void> {
  await workshop.publisher.pushIndex(name, name)
  await signAgain(workshop, name, 'p256', format, ['--recursive'])
}

async function signAgain(
  workshop: Workshop,
  name: string,
  kind: KeyKind,
  format: Format,
  flags: readonly string[] = [],
): Promise<void> {
  const key = join(workshop.directory, `${kind}.key`)
  const common = ['sign', '--yes', '--key', key, '--tlog-upload=false', '--allow-insecure-registry']
  const args = [...common, ...format.sign, ...flags, await digestReference(workshop, name)]
  await must({ program: programOf(workshop, format), args, env })
}

async function cosignVerifies(workshop: Workshop, name: string, kind: KeyKind, format: Format): Promise<boolean> {
  const key = join(workshop.directory, `${kind}.pub`)
  const common = ['verify', '--key', key, '--insecure-ignore-tlog', '--allow-insecure-registry']
  const args = [...common, ...format.verify, await digestReference(workshop, name)]
  return (await run({ program: programOf(workshop, format), args, env })).exitCode === 0
}

async function digestReference({ programs, host }: Workshop, name: string): Promise<string> {
  const digest = await must({ program: programs.crane, args: ['digest', '--insecure', `${host}/${name}:latest`] })
  return `${host}/${name}@${digest}`
}
