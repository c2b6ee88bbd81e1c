import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runConformance, type TestOutcome } from './support/conformance.ts'
import { putContent } from './support/content.ts'
import { startGate } from './support/gate.ts'
import { findProgram } from './support/programs.ts'
import { startReferrersRegistry, startRegistry, type Registry } from './support/registry.ts'

/**
 * The conformance suite of the OCI distribution-spec, pull and content discovery, on a registry and on the gate in front of
 * it: with a policy that accepts, each test ends through the gate as it ends without it, with the same complaints. The
 * exceptions are named: tests that the registry fails and the gate passes, since it answers them itself.
 */

const REPOSITORY = 'conformance/content'

const conformance = findProgram('conformance')
const registry = findProgram('registry')
const referrersRegistry = findProgram('referrersRegistry')

if (conformance !== undefined && registry !== undefined && referrersRegistry !== undefined) {
  t.test('distribution 2.8, without a referrers API', async t =>
    compare(t, {
      conformance,
      start: directory => startRegistry({ registry }, directory),
      // The gate reads the fallback tag for the referrers, and refuses what is no digest before it asks (the registry: 500).
      better: ['empty/referrers', 'read-only/referrers', 'invalid-digest-format/manifest-get'],
    }),
  )
  t.test("go-containerregistry's registry, with a referrers API", async t =>
    compare(t, {
      conformance,
      start: directory => startReferrersRegistry(referrersRegistry, directory),
      better: [],
    }),
  )
} else {
  const missing = 'needs oci-conformance, docker-registry and referrers-registry (.ci/run builds them)'
  if (process.env['CI'] === 'true') t.fail(`conformance: ${missing}`)
  else t.plan(0, `conformance: ${missing}`)
}

type Comparison = {
  readonly conformance: string
  readonly start: (directory: string) => Promise<Registry>
  /** What the registry fails and the gate in front of it passes. */
  readonly better: readonly string[]
}

async function compare(t: Test, { conformance, start, better }: Comparison): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'sealgate-conformance-'))
  t.teardown(async () => rm(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }))
  const registry = await start(join(directory, 'registry'))
  t.teardown(registry.stop)
  const content = await putContent(registry.host, REPOSITORY)
  const outcomesAt = async (host: string, name: string): Promise<readonly TestOutcome[]> =>
    runConformance(conformance, {
      directory: join(directory, name),
      host,
      repository: REPOSITORY,
      content,
    })
  const throughGate = async (name: string, type: string): Promise<readonly TestOutcome[]> => {
    const gate = await startGate(join(directory, `${name}-gate`), {
      policy: { default: [{ type }] },
      configuration: {
        defaultRegistry: registry.host,
        registries: { [registry.host]: { url: `http://${registry.host}` } },
      },
    })
    t.teardown(gate.stop)
    return outcomesAt(gate.host, name)
  }

  const own = await outcomesAt(registry.host, 'own')
  t.ok(own.filter(({ status }) => status === 'Pass').length > 20, 'the suite ran on the registry')
  t.strictSame(
    own.filter(({ test }) => better.includes(test)).map(({ status }) => status),
    better.map(() => 'FAIL'),
    'what the gate does better, the registry fails',
  )
  t.strictSame(
    await throughGate('accepting', 'insecureAcceptAnything'),
    own.map(one => (better.includes(one.test) ? { ...one, status: 'Pass', complaints: [] } : one)),
    'through the gate each other test ends as it does without it',
  )

  // That it is the gate which was asked, and that the comparison would see a difference.
  const refused = (await throughGate('refusing', 'reject')).filter(({ status }) => status === 'FAIL')
  const names = new Set(refused.map(({ test }) => test))
  t.ok(names.has('read-only/pull/manifest-by-tag'), 'a policy that refuses fails the pulls by tag')
  t.ok(names.has('read-only/pull/manifest-by-digest'), 'and those by digest')
}
