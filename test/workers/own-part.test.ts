import t from 'tap'
import { parseConfig } from '../../src/config/config.ts'
import { ownPart } from '../../src/workers/own-part.ts'

const MIB = 1024 * 1024

t.test('what a worker has for itself, and its part of what there is', async t => {
  const parsed = parseConfig({
    policy: '/etc/policy.json',
    registries: { 'example.org': { url: 'http://127.0.0.1:1' } },
    limits: { pulls: 10, heldBytes: 40 * MIB },
    audit: { file: '/var/log/audit.jsonl' },
    tuf: { mirror: 'http://127.0.0.1:1', root: '/etc/root.json', cache: '/var/lib/tuf' },
  })
  if (!parsed.ok) throw new Error(parsed.problems.join())
  const { config } = parsed
  for (const [number, workers, pulls, heldBytes] of [
    [1, 2, 5, 20 * MIB],
    [3, 3, 4, 16 * MIB],
    [12, 64, 1, 16 * MIB],
  ] as const) {
    const own = ownPart(config, { number, workers })
    t.equal(own.limits.pulls, pulls, `${workers} workers`)
    t.equal(own.limits.heldBytes, heldBytes)
    t.equal(own.audit?.file, `/var/log/worker-${number}-audit.jsonl`)
    t.equal(own.tuf?.cache, `/var/lib/tuf/worker-${number}`)
    t.same({ ...own, limits: config.limits, audit: config.audit, tuf: config.tuf }, config, 'all else is everybody’s')
  }
})
