import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { temporaryDirectory } from '../support/gate.ts'
import { sharedFolder } from '../support/shared.ts'
import { pullAll, readCases, type AcceptanceCase } from './cases.ts'

type VectorCase = AcceptanceCase & { readonly expect: 'accept' | 'reject'; readonly why: string | null }

const vectors = sharedFolder('vectors/containers-image')

t.test(
  "containers/image's own fixtures get containers/image's own verdicts",
  { skip: vectors === undefined && '../shared is absent' },
  async t => {
    if (vectors === undefined) throw new Error('unreachable')
    const lookaside = temporaryDirectory(t)
    writeFileSync(
      join(lookaside, 'default.yaml'),
      `default-docker:\n  lookaside: ${pathToFileURL(join(vectors, 'lookaside')).href}\n`,
    )
    const cases = readCases(vectors, (line): VectorCase => JSON.parse(line))
    t.ok(cases.length >= 84, `${cases.length} cases`)
    for (const policy of new Set(cases.map(one => one.policy))) {
      const own = cases.filter(one => one.policy === policy)
      const verdicts = await pullAll(t, vectors, policy, own, {
        signedIdentityDefault: 'matchRepoDigestOrExact',
        lookaside,
      })
      for (const one of own) t.equal(verdicts.get(one.id), one.expect, `${one.id}: ${one.why ?? 'good'}`)
    }
  },
)
