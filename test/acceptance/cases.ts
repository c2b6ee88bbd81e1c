import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { startGate, temporaryDirectory, writePolicy } from '../support/gate.ts'

type Teardown = Parameters<typeof startGate>[0]

export type AcceptanceCase = { readonly id: string; readonly policy: string; readonly image: string }

/** The cases of a folder, one a line. */
export function readCases<T extends AcceptanceCase>(folder: string, caseOf: (line: string) => T): readonly T[] {
  const lines = readFileSync(join(folder, 'cases.jsonl'), 'utf8').trim().split('\n')
  return lines.map(caseOf)
}

/**
 * Pulls the image of each case under one of the folder's policies, through a real server.
 *
 * @returns by case id: `accept` for 200, `reject` for 403 with our reason, else what came instead
 */
export async function pullAll(
  t: Teardown,
  folder: string,
  policy: string,
  cases: readonly AcceptanceCase[],
  settings: Readonly<Record<string, unknown>>,
): Promise<ReadonlyMap<string, string>> {
  const text = readFileSync(join(folder, 'policies', `${policy}.json`), 'utf8').replaceAll(
    '@KEYS@',
    join(folder, 'keys'),
  )
  const hosts = [...new Set(cases.map(({ image }) => image.slice(0, image.indexOf('/'))))]
  const { url, gate } = await startGate(t, {
    policy: writePolicy(temporaryDirectory(t), text),
    registries: Object.fromEntries(hosts.map(host => [host, { layout: join(folder, 'layouts') }])),
    ...settings,
  })
  const verdicts = new Map<string, string>()
  for (const { id, image } of cases) {
    const colon = image.lastIndexOf(':')
    const answer = await fetch(`${url}/v2/${image.slice(0, colon)}/manifests/${image.slice(colon + 1)}`)
    const body = await answer.text()
    const isRefusal = answer.status === 403 && body.includes('blocked by image policy')
    verdicts.set(id, answer.status === 200 ? 'accept' : isRefusal ? 'reject' : `${answer.status} ${body}`)
  }
  await gate.close()
  return verdicts
}
