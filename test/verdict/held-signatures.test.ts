import t from 'tap'
import { ByteBudget } from '../../src/cache/byte-budget.ts'
import type { FoundSignatures } from '../../src/signatures/found-signatures.ts'
import type { SignatureOrigin, UntrustedSignature } from '../../src/signatures/signature.ts'
import { heldSignatures } from '../../src/verdict/held-signatures.ts'

const origin: SignatureOrigin = { place: 'sig-tag', name: 'of the test' }
const signatures: readonly UntrustedSignature[] = [
  {
    format: 'simple-signing',
    origin,
    untrustedPayload: new Uint8Array(30),
    untrustedAnnotations: new Map([['name', 'value!']]),
  },
  { format: 'bundle', origin, untrustedBytes: new Uint8Array(40) },
  { format: 'gpg', origin, untrustedBytes: new Uint8Array(20) },
  { format: 'unusable', origin, problem: 'of no weight' },
]

function found(): FoundSignatures {
  return { signatures, failures: [], leftOut: [] }
}

t.test('case 212: signatures in hand are counted, and what there is no room for was not found out', async t => {
  const budget = new ByteBudget(199)
  const one = heldSignatures(budget)
  const other = heldSignatures(budget)
  t.same(await one.within(async () => found())('sigstore'), found(), 'L')
  t.equal(budget.held, 100)
  const beyond = await other.within(async () => found())('sigstore')
  t.match(beyond, { signatures: { length: 0 }, failures: [{ place: 'memory', cause: /too many bytes/ }] }, 'L+1')
  other.release()
  t.equal(budget.held, 100, 'what was not held is not given back')
  one.release()
  t.equal(budget.held, 0)
  t.same(await other.within(async () => found())('sigstore'), found(), 'and there is room again')
})

t.test('without a budget all is as it was found', async t => {
  const held = heldSignatures(undefined)
  t.same(await held.within(async () => found())('sigstore'), found())
  held.release()
})
