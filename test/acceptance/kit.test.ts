import t from 'tap'
import { sharedFolder } from '../support/shared.ts'
import { pullAll, readCases, type AcceptanceCase } from './cases.ts'

type Reading = 'asClaimed' | 'matchRepoDigestOrExact' | 'none'
type KitCase = AcceptanceCase & { readonly expect: Readonly<Record<Reading, 'accept' | 'reject'>> }

const kit = sharedFolder('kit')

t.test(
  'the acceptance kit, in the three readings of an absent signedIdentity',
  { skip: kit === undefined && '../shared is absent' },
  async t => {
    if (kit === undefined) throw new Error('unreachable')
    const cases = readCases(kit, (line): KitCase => JSON.parse(line))
    t.ok(cases.length >= 336, `${cases.length} cases`)
    for (const reading of ['asClaimed', 'matchRepoDigestOrExact', 'none'] as const) {
      for (const policy of new Set(cases.map(one => one.policy))) {
        const own = cases.filter(one => one.policy === policy)
        const verdicts = await pullAll(t, kit, policy, own, { signedIdentityDefault: reading })
        for (const one of own) t.equal(verdicts.get(one.id), one.expect[reading], `${reading}: ${one.id}`)
      }
    }
  },
)
