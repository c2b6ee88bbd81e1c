import t from 'tap'
import { parsePolicy } from '../../src/policy/parse-policy.ts'
import { requirementsFor } from '../../src/policy/requirements-for.ts'
import { parseImageReference } from '../../src/reference/image-reference.ts'
import { scopesOf } from '../../src/reference/scope.ts'

const DIGEST = `sha256:${'ab'.repeat(32)}`
const reject = [{ type: 'reject' }]

/** The scope that speaks for an image, in a policy with these scopes. */
function scopeOf(image: string, scopes: readonly string[], transport = 'docker'): string {
  const policy = parsePolicy(
    Buffer.from(
      JSON.stringify({
        default: reject,
        transports: { [transport]: Object.fromEntries(scopes.map(scope => [scope, reject])) },
      }),
    ),
  )
  const reference = parseImageReference(image)
  if (!policy.ok || reference === undefined) throw new Error('a broken row')
  return requirementsFor(policy.value, reference).scope
}

t.test('the scopes of a reference, most specific first', async t => {
  const table = [
    {
      image: 'busybox',
      scopes: [
        'docker.io/library/busybox:latest',
        'docker.io/library/busybox',
        'docker.io/library',
        'docker.io',
        '*.io',
      ],
    },
    {
      image: 'a.b.example.com:5000/x/y:1',
      scopes: [
        'a.b.example.com:5000/x/y:1',
        'a.b.example.com:5000/x/y',
        'a.b.example.com:5000/x',
        'a.b.example.com:5000',
        '*.b.example.com',
        '*.example.com',
        '*.com',
      ],
    },
    { image: `localhost/x@${DIGEST}`, scopes: [`localhost/x@${DIGEST}`, 'localhost/x', 'localhost'] },
  ]
  for (const { image, scopes } of table) {
    const reference = parseImageReference(image)
    t.same(reference && scopesOf(reference), scopes, image)
  }
})

t.test('the most specific scope speaks, on whole components only (cases 91, 92, 94, 95)', async t => {
  const table: readonly { image: string; scopes: readonly string[]; speaks: string }[] = [
    {
      image: 'example.org/foo:1',
      scopes: ['example.org/foo:1', 'example.org/foo', 'example.org', ''],
      speaks: 'example.org/foo:1',
    },
    {
      image: 'example.org/foo:2',
      scopes: ['example.org/foo:1', 'example.org/foo', 'example.org', ''],
      speaks: 'example.org/foo',
    },
    { image: `example.org/foo@${DIGEST}`, scopes: ['example.org/foo:1', 'example.org', ''], speaks: 'example.org' },
    {
      image: `example.org/foo@${DIGEST}`,
      scopes: [`example.org/foo@${DIGEST}`, 'example.org/foo'],
      speaks: `example.org/foo@${DIGEST}`,
    },
    { image: 'example.org/foobar:1', scopes: ['example.org/foo'], speaks: 'default' },
    { image: 'example.org/foo-bar:1', scopes: ['example.org/foo'], speaks: 'default' },
    { image: 'example.org/foo/x:1', scopes: ['example.org/foo'], speaks: 'example.org/foo' },
    { image: 'example.org:5000/foo:1', scopes: ['example.org'], speaks: 'default' },
    { image: 'example.org.evil.com/foo:1', scopes: ['example.org'], speaks: 'default' },
    { image: 'very.deep.com/foo:1', scopes: ['*.deep.com', '*.com', ''], speaks: '*.deep.com' },
    { image: 'deep.com/foo:1', scopes: ['*.deep.com', ''], speaks: 'docker' },
    { image: 'very.deep.com:5000/foo:1', scopes: ['*.deep.com'], speaks: '*.deep.com' },
    { image: 'very.deep.com/foo:1', scopes: ['*.deep.com', 'very.deep.com'], speaks: 'very.deep.com' },
    { image: 'very.deep.com/foo:1', scopes: ['*.deep.com/foo', '*.deep.com:443', '*', 'very.*'], speaks: 'default' },
    { image: 'busybox:1', scopes: ['docker.io/library/busybox'], speaks: 'docker.io/library/busybox' },
    { image: 'busybox:1', scopes: ['docker.io/busybox', ''], speaks: 'docker' },
    { image: 'busybox:1', scopes: ['index.docker.io'], speaks: 'docker.io' },
    { image: 'EXAMPLE.org/foo:1', scopes: ['example.ORG/foo'], speaks: 'example.org/foo' },
    { image: 'other.example/x:1', scopes: ['example.org', ''], speaks: 'docker' },
    { image: 'other.example/x:1', scopes: ['example.org'], speaks: 'default' },
  ]
  for (const { image, scopes, speaks } of table)
    t.equal(scopeOf(image, scopes), speaks, `${image} in ${scopes.join(', ')}`)
  t.equal(scopeOf('example.org/foo:1', ['/example.org'], 'dir'), 'default', 'another transport says nothing')
})

t.test('a look-up costs as much in 100,000 scopes as in ten', async t => {
  const policyOf = (count: number) => {
    const scopes = Object.fromEntries(Array.from({ length: count }, (_, index) => [`h${index}.example/a`, reject]))
    const parsed = parsePolicy(Buffer.from(JSON.stringify({ default: reject, transports: { docker: scopes } })))
    if (!parsed.ok) throw new Error('a broken policy')
    return parsed.value
  }
  const reference = parseImageReference('registry.example/a/b/c/d:1')
  if (reference === undefined) throw new Error('a broken reference')
  const timeOf = (policy: ReturnType<typeof policyOf>): number => {
    const begun = performance.now()
    for (let round = 0; round < 20_000; round += 1) requirementsFor(policy, reference)
    return performance.now() - begun
  }
  const [small, large] = [policyOf(10), policyOf(100_000)]
  timeOf(small)
  const ratios = Array.from({ length: 5 }, () => timeOf(large) / timeOf(small))
  t.ok(Math.min(...ratios) < 2, `${Math.min(...ratios).toFixed(2)} times`)
})
