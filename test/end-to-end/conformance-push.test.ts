import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runConformance, type TestOutcome } from './support/conformance.ts'
import { startGate } from './support/gate.ts'
import { findProgram } from './support/programs.ts'
import { startReferrersRegistry, startRegistry, type Registry } from './support/registry.ts'

/**
 * The whole conformance suite, with pushes and deletions, on a registry and on the gate with `push: passthrough` in front of
 * another like it: nothing fails through the gate that does not fail without it. The suite tries other steps after a failure
 * than after a success, so that outcomes are compared by test, and where a registry fails the gate may do better: it answers
 * for digests, ranges and upload locations itself (docs/conformance.md).
 */

const REPOSITORY = 'conformance/content'

const conformance = findProgram('conformance')
const registry = findProgram('registry')
const referrersRegistry = findProgram('referrersRegistry')

if (conformance !== undefined && registry !== undefined && referrersRegistry !== undefined) {
  t.test('distribution 2.8, without a referrers API', async t =>
    compare(t, { conformance, start: directory => startRegistry({ registry }, directory), skipped: [] }),
  )
  t.test("go-containerregistry's registry, with a referrers API", async t =>
    compare(t, {
      conformance,
      start: directory => startReferrersRegistry(referrersRegistry, directory),
      // It says nothing of filters, for which the suite skips the test after it has failed. The gate filters by itself.
      skipped: ['artifacts-with-subject/referrers', 'index-with-subject/referrers', 'missing-subject/referrers'],
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
  /** What the registry by itself has the same complaints about, but is not failed for. */
  readonly skipped: readonly string[]
}

async function compare(t: Test, { conformance, start, skipped }: Comparison): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'sealgate-conformance-'))
  t.teardown(async () => rm(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }))
  const outcomesAt = async (host: string, name: string): Promise<readonly TestOutcome[]> =>
    runConformance(conformance, {
      directory: join(directory, name),
      host,
      repository: REPOSITORY,
      content: undefined,
    })
  /** Each on a registry of its own: what one run leaves behind would be another's beginning. */
  const fresh = async (name: string): Promise<Registry> => {
    const registry = await start(join(directory, `${name}-registry`))
    t.teardown(registry.stop)
    return registry
  }
  const throughGate = async (push: 'deny' | 'passthrough'): Promise<readonly TestOutcome[]> => {
    const { host } = await fresh(push)
    const gate = await startGate(join(directory, `${push}-gate`), {
      policy: { default: [{ type: 'insecureAcceptAnything' }] },
      configuration: { defaultRegistry: host, registries: { [host]: { url: `http://${host}`, push } } },
    })
    t.teardown(gate.stop)
    return outcomesAt(gate.host, push)
  }

  const own = await outcomesAt((await fresh('own')).host, 'own')
  const through = await throughGate('passthrough')
  const passed = (outcomes: readonly TestOutcome[]): number => outcomes.filter(({ status }) => status === 'Pass').length
  t.ok(passed(own) > 400, 'the suite ran on the registry')
  t.ok(passed(through) > passed(own), 'through the gate no fewer pass')

  const ownFailures = failures(own)
  const tried = new Set(own.map(({ test }) => test))
  const worse = [...failures(through)].filter(
    ([test, count]) => tried.has(test) && count > (ownFailures.get(test) ?? 0),
  )
  t.same(
    worse.map(([test]) => test).toSorted(),
    skipped,
    'of what both tried, nothing else fails more often through the gate',
  )
  for (const test of skipped) {
    const known = complaintsOf(own, test)
    t.ok(known.size > 0)
    t.same(
      [...complaintsOf(through, test)].filter(complaint => !known.has(complaint)),
      [],
      `${test}: the same complaints`,
    )
  }

  // That the pushes do go through the gate, and that the comparison would see a difference.
  const denied = failures(await throughGate('deny'))
  for (const test of ['sha256 blobs/post+put/blob-post-put', 'image/push/manifest-by-tag']) {
    t.ok(denied.has(test), `${test} fails where pushes are denied`)
    t.notOk(failures(through).has(test), `${test} passes where they go on`)
  }
}

/** How often each test failed: the suite runs some of them more than once. */
function failures(outcomes: readonly TestOutcome[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const { test, status } of outcomes) if (status === 'FAIL') counts.set(test, (counts.get(test) ?? 0) + 1)
  return counts
}

/** What is complained of, without the names of content that the suite makes anew each time. */
function complaintsOf(outcomes: readonly TestOutcome[], test: string): ReadonlySet<string> {
  const complaints = outcomes.filter(outcome => outcome.test === test).flatMap(outcome => outcome.complaints)
  return new Set(complaints.map(text => text.replace(/^- /, '').replace(/, subject .*$/, '')))
}
