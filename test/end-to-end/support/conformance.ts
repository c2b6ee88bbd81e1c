import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from './processes.ts'
import type { Content } from './content.ts'

/** One test of the suite (a leaf of its tree), how it ended (Pass, FAIL, Skip, Disabled, Error), and what it complained of. */
export interface TestOutcome {
  readonly test: string
  readonly status: string
  readonly complaints: readonly string[]
}

/**
 * Runs the conformance suite of the OCI distribution-spec (version 1.1) on the registry at `host` (plain HTTP): read-only, on
 * what `content` says is in `repository`; or, without content, with everything it has, pushing and deleting in `repository`
 * and in another beside it. Gives how each test ended, in the order they ran; throws with what the suite printed when there
 * are no results in it.
 */
export async function runConformance(
  program: string,
  { directory, host, repository, content }: ConformanceTarget,
): Promise<readonly TestOutcome[]> {
  await mkdir(directory, { recursive: true })
  const configuration = join(directory, 'conformance.yaml')
  // JSON is YAML too. The names are those of the suite's results.yaml, which repeats what it was told.
  await writeFile(
    configuration,
    JSON.stringify({
      registry: host,
      tls: 'disabled',
      repo1: repository,
      ...(content === undefined ? { repo2: `${repository}-2` } : readOnly(content)),
      logging: 'error',
      version: '1.1',
      resultsDir: directory,
    }),
  )
  const { terminal } = await run({ program, args: [], env: { OCI_CONFIGURATION: configuration } })
  // The exit code is 1 as soon as one test fails, which is compared here and not judged. What it prints is read and not its
  // junit.xml: read-only it panics before it writes that (a status that nothing has set), after all results are printed.
  const outcomes = outcomesIn(terminal)
  if (outcomes.length === 0) throw new Error(`the conformance suite printed no results:\n${terminal}`)
  return outcomes
}

function readOnly({ tags, manifests, blobs, subjects }: Content): object {
  return {
    apis: { push: false, blobs: { delete: false }, manifests: { delete: false }, tags: { delete: false } },
    roData: { tags, manifests, blobs, referrers: subjects },
  }
}

export interface ConformanceTarget {
  /** Where the suite writes its results. */
  readonly directory: string
  readonly host: string
  readonly repository: string
  /** undefined: everything, with pushes and deletions. */
  readonly content: Content | undefined
}

/** Reads the tree that follows "Test results": a test a line with its status, and under it a line for each complaint. */
function outcomesIn(terminal: string): readonly TestOutcome[] {
  const [, tree = ''] = /^Test results\n([^]*?)^Configuration:$/m.exec(terminal) ?? []
  const outcomes: { readonly test: string; readonly status: string; readonly complaints: string[] }[] = []
  for (const line of tree.split('\n')) {
    const [, test, status] = /^ *OCI Conformance Test\/?(.*): ([A-Za-z]+)$/.exec(line) ?? []
    if (test !== undefined && status !== undefined) outcomes.push({ test, status, complaints: [] })
    else if (line.trim() !== '') outcomes.at(-1)?.complaints.push(line.trim())
  }
  // What is not a leaf only sums up.
  return outcomes.filter(({ test }) => test !== '' && !outcomes.some(other => other.test.startsWith(`${test}/`)))
}
