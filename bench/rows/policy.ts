import { parsePolicy } from '../../src/policy/parse-policy.ts'
import { requirementsFor } from '../../src/policy/requirements-for.ts'
import { parseImageReference } from '../../src/reference/image-reference.ts'
import type { Row } from '../table.ts'

/** A policy with 100,000 scopes: loading it, and a look-up in it against one in ten scopes. */
export function manyScopes(runs: number): readonly Row[] {
  const policyOf = (count: number): Buffer => {
    const scopes = Object.fromEntries(
      Array.from({ length: count }, (_, index) => [`h${index}.example/a`, [{ type: 'reject' }]]),
    )
    return Buffer.from(JSON.stringify({ default: [{ type: 'reject' }], transports: { docker: scopes } }))
  }
  const reference = parseImageReference('registry.example/a/b/c/d:1')
  const load: number[] = []
  const lookUp = { small: [] as number[], large: [] as number[] }
  for (let round = 0; round < runs; round += 1) {
    for (const [kind, count] of [
      ['small', 10],
      ['large', 100_000],
    ] as const) {
      const bytes = policyOf(count)
      const begun = performance.now()
      const parsed = parsePolicy(bytes)
      if (kind === 'large') load.push((performance.now() - begun) / 1000)
      if (!parsed.ok || reference === undefined) throw new Error('a broken policy')
      const started = performance.now()
      for (let turn = 0; turn < 100_000; turn += 1) requirementsFor(parsed.value, reference)
      lookUp[kind].push((performance.now() - started) / 100)
    }
  }
  return [
    {
      work: 'policy with 100,000 scopes: load',
      unit: 's',
      ours: load,
      peer: undefined,
      mustBe: { bound: '≤', value: 2 },
    },
    {
      work: 'look-up in 100,000 scopes',
      unit: 'µs',
      ours: lookUp.large,
      peer: { name: 'in ten scopes', runs: lookUp.small },
      mustBe: { bound: '≤', value: 1.5 },
    },
  ]
}
