import t from 'tap'
import type { SignedIdentity } from '../../src/policy/policy.ts'
import { acceptsClaim } from '../../src/policy/signed-identity.ts'
import { parseDockerReference, type ImageReference } from '../../src/reference/image-reference.ts'

/**
 * The tables of containers/image for its matchers (case 99). A row is held both ways round. What is asked of a registry has a tag
 * or a digest and never both, so names of other forms stand on the signed side only.
 */

const D = `@sha256:${'0123456789abcdef'.repeat(4)}`
const OTHER = `@sha256:${'a'.repeat(64)}`
const RHEL = 'registry.access.redhat.com/rhel7/rhel'

type Row = { readonly a: string; readonly b: string; readonly exact: boolean; readonly repository: boolean }
const row = (a: string, b: string, holds: 'exactly' | 'in the repository' | 'not'): Row => ({
  a,
  b,
  exact: holds === 'exactly',
  repository: holds !== 'not',
})

const ROWS: readonly Row[] = [
  row('busybox:latest', 'busybox:latest', 'exactly'),
  row(`${RHEL}:7.2.3`, `${RHEL}:7.2.3`, 'exactly'),
  row(`busybox${D}`, `busybox${D}`, 'exactly'),
  // Names in short are names in full.
  row('library/busybox:latest', 'busybox:latest', 'exactly'),
  row('docker.io/library/busybox:latest', 'busybox:latest', 'exactly'),
  row(`library/busybox${D}`, `busybox${D}`, 'exactly'),
  // Other tags and digests.
  row('busybox:latest', 'busybox:notlatest', 'in the repository'),
  row(`${RHEL}:7.2.3tagsuffix`, `${RHEL}:7.2.3`, 'in the repository'),
  row('library/busybox:latest', 'busybox:notlatest', 'in the repository'),
  row('docker.io/library/busybox:notlatest', 'busybox:latest', 'in the repository'),
  row('busybox:latest', `busybox${D}`, 'in the repository'),
  row(`busybox${D}`, `busybox${OTHER}`, 'in the repository'),
  // Names only.
  row('busybox:latest', 'busybox', 'in the repository'),
  row('busybox:notlatest', 'library/busybox', 'in the repository'),
  row(`${RHEL}:7.2.3`, RHEL, 'in the repository'),
  row(`busybox${D}`, 'busybox', 'in the repository'),
  // A tag and a digest.
  row(`busybox:latest${D}`, `busybox${D}`, 'in the repository'),
  row(`busybox:latest${D}`, 'busybox:latest', 'in the repository'),
  row(`busybox:latest${D}`, 'busybox:notlatest', 'in the repository'),
  row(`busybox:latest${D}`, `busybox${OTHER}`, 'in the repository'),
  // Other repositories and registries.
  row('busybox:latest', 'notbusybox:latest', 'not'),
  row('busybox:latest', 'hostname/library/busybox:notlatest', 'not'),
  row('hostname/library/busybox:latest', 'busybox:notlatest', 'not'),
  row('busybox:latest', `${RHEL}:7.2.3`, 'not'),
  row(`busybox${D}`, `notbusybox${D}`, 'not'),
  row('example.org/a:1', 'example.org:443/a:1', 'not'),
  row('example.org/a:1', 'example.org/a/b:1', 'not'),
  // No names at all, even where they are equal.
  row('UPPERCASE_IS_INVALID_IN_DOCKER_REFERENCES', 'busybox:latest', 'not'),
  row('', 'busybox:latest', 'not'),
  row('INVALID', 'INVALID', 'not'),
]

function asked(text: string): ImageReference | undefined {
  const { repository, tag, digest } = parseDockerReference(text) ?? {}
  if (repository === undefined) return undefined
  if (tag !== undefined) return digest === undefined ? { by: 'tag', repository, tag } : undefined
  return digest && { by: 'digest', repository, digest }
}
const accepts = (identity: SignedIdentity, reference: ImageReference, claimed: string): boolean =>
  acceptsClaim({ identity, reading: 'none', reference, claim: { kind: 'reference', reference: claimed } }).accepted

const bothWays = ROWS.flatMap(({ a, b, ...holds }) => [
  { a, b, ...holds },
  { a: b, b: a, ...holds },
])

t.test('matchExact, matchRepository and what lies between them', async t => {
  for (const { a, b, exact, repository } of bothWays) {
    const reference = asked(a)
    if (reference === undefined) continue
    const what = `${a} signed as ${b}`
    const hasTagOrDigest = /[:@]/.test(b.slice(b.lastIndexOf('/') + 1))
    const between = reference.by === 'tag' ? exact : repository && hasTagOrDigest
    t.equal(accepts({ type: 'matchExact' }, reference, b), exact, `exactly: ${what}`)
    t.equal(accepts({ type: 'matchRepository' }, reference, b), repository, `repository: ${what}`)
    t.equal(accepts({ type: 'matchRepoDigestOrExact' }, reference, b), between, `digest or exactly: ${what}`)
  }
})

t.test('exactReference and exactRepository look at the signed name only', async t => {
  const reference = asked('unrelated.example/x:1')
  if (reference === undefined) throw new Error('a broken row')
  for (const { a, b, exact, repository } of bothWays) {
    const named = parseDockerReference(a)
    if (named === undefined) continue
    t.equal(accepts({ type: 'exactRepository', repository: named }, reference, b), repository, `${a}: signed as ${b}`)
    if (named.tag === undefined && named.digest === undefined) continue
    t.equal(accepts({ type: 'exactReference', reference: named }, reference, b), exact, `${a}: signed as ${b}`)
  }
  const both = parseDockerReference(`busybox:latest${D}`)
  if (both === undefined) throw new Error('a broken row')
  const table = [
    { claimed: `busybox:latest${D}`, accepts: true },
    { claimed: `busybox:latest${OTHER}`, accepts: false },
    { claimed: `busybox:notlatest${D}`, accepts: false },
  ]
  for (const row of table) {
    t.equal(accepts({ type: 'exactReference', reference: both }, reference, row.claimed), row.accepts, row.claimed)
  }
})

t.test('remapIdentity: which names a prefix takes in, and what becomes of them', async t => {
  const signedAs = 'signed.example/name'
  const table: readonly { prefix: string; image: string; becomes: string | undefined }[] = [
    // A host, with its port or without, is a prefix only as a whole.
    { prefix: 'docker.io', image: 'docker.io/library/busybox', becomes: `${signedAs}/library/busybox` },
    { prefix: 'docker.io', image: 'busybox', becomes: `${signedAs}/library/busybox` },
    { prefix: 'example.com', image: 'example.com/repo', becomes: `${signedAs}/repo` },
    { prefix: 'example.com', image: 'example.com:5000/repo', becomes: undefined },
    { prefix: 'example.com:5000', image: 'example.com:5000/repo', becomes: `${signedAs}/repo` },
    { prefix: 'example.com:50', image: 'example.com:5000/repo', becomes: undefined },
    { prefix: 'example.com', image: 'example.com.evil.example/repo', becomes: undefined },
    { prefix: 'example.com', image: 'sub.example.com/repo', becomes: undefined },
    { prefix: 'localhost', image: 'localhost/repo', becomes: `${signedAs}/repo` },
    { prefix: 'localhost', image: 'localhost:5000/repo', becomes: undefined },
    // A namespace, a repository.
    { prefix: 'example.com/ns', image: 'example.com/ns/repo', becomes: `${signedAs}/repo` },
    { prefix: 'example.com/ns', image: 'example.com/ns2/repo', becomes: undefined },
    { prefix: 'example.com/ns', image: 'example.com/other/ns/repo', becomes: undefined },
    { prefix: 'example.com/ns/repo', image: 'example.com/ns/repo', becomes: signedAs },
    { prefix: 'example.com/ns/repo', image: 'example.com/ns/repo2', becomes: undefined },
    { prefix: 'example.com/ns/repo', image: 'example.com/ns/repo/more', becomes: `${signedAs}/more` },
    { prefix: 'docker.io/library/busybox', image: 'busybox', becomes: signedAs },
    { prefix: 'docker.io/library/busybox', image: 'busybox2', becomes: undefined },
    { prefix: 'docker.io/busybox', image: 'busybox', becomes: undefined },
    // The prefix is replaced where it begins, and once.
    { prefix: 'example.com/a', image: 'example.com/a/example.com/a', becomes: `${signedAs}/example.com/a` },
  ]
  for (const { prefix, image, becomes } of table) {
    const identity: SignedIdentity = { type: 'remapIdentity', prefix, signedPrefix: signedAs }
    for (const [askedAs, signedTag] of [
      [':1', ':1'],
      [D, ':other'],
      [D, D],
    ]) {
      const reference = asked(`${image}${askedAs}`)
      if (reference === undefined) throw new Error('a broken row')
      const what = `${prefix}: ${image}${askedAs} signed as`
      if (becomes !== undefined) t.ok(accepts(identity, reference, `${becomes}${signedTag}`), `${what} ${becomes}`)
      t.equal(accepts(identity, reference, `${image}${signedTag}`), becomes === undefined, `${what} ${image}`)
    }
    const other = asked(`${image}:1`)
    if (other === undefined) throw new Error('a broken row')
    t.notOk(accepts(identity, other, `${becomes ?? image}:2`), 'another tag')
    t.notOk(accepts(identity, other, becomes ?? image), 'no tag')
  }
})

t.test('remapIdentity to what is no full name accepts nothing', async t => {
  const table: readonly { prefix: string; signedPrefix: string; image: string; claimed: string }[] = [
    { prefix: 'example.com/a', signedPrefix: 'host.example', image: 'example.com/a:1', claimed: 'host.example:1' },
    { prefix: 'example.com', signedPrefix: 'docker.io', image: 'example.com/a:1', claimed: 'docker.io/a:1' },
    { prefix: 'example.com', signedPrefix: 'short', image: 'example.com/a:1', claimed: 'short/a:1' },
  ]
  for (const { prefix, signedPrefix, image, claimed } of table) {
    const reference = asked(image)
    if (reference === undefined) throw new Error('a broken row')
    t.notOk(
      accepts({ type: 'remapIdentity', prefix, signedPrefix }, reference, claimed),
      `${image} signed as ${claimed}`,
    )
  }
})
