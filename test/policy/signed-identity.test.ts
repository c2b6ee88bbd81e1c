import t from 'tap'
import type { SignedIdentity, SignedIdentityDefault } from '../../src/policy/policy.ts'
import { acceptsClaim, type Claim } from '../../src/policy/signed-identity.ts'
import {
  parseDockerReference,
  parseImageReference,
  type DockerReference,
  type ImageReference,
} from '../../src/reference/image-reference.ts'

const DIGEST = `sha256:${'ab'.repeat(32)}`
const OTHER = `sha256:${'cd'.repeat(32)}`

function image(text: string): ImageReference {
  const parsed = parseImageReference(text)
  if (parsed === undefined) throw new Error(text)
  return parsed
}
function docker(text: string): DockerReference {
  const parsed = parseDockerReference(text)
  if (parsed === undefined) throw new Error(text)
  return parsed
}
const claim = (reference: string): Claim => ({ kind: 'reference', reference })
const accepts = (
  identity: SignedIdentity | undefined,
  asked: string,
  claimed: Claim,
  reading: SignedIdentityDefault = 'asClaimed',
): boolean => acceptsClaim({ identity, reading, reference: image(asked), claim: claimed }).accepted

t.test(
  'an identity that is written down is held to the letter (case 99: a digest on the wire, a tag in the signature)',
  async t => {
    const exact: SignedIdentity = { type: 'matchExact' }
    const digestOrExact: SignedIdentity = { type: 'matchRepoDigestOrExact' }
    const repository: SignedIdentity = { type: 'matchRepository' }
    const exactReference: SignedIdentity = { type: 'exactReference', reference: docker('example.org/a:1') }
    const exactRepository: SignedIdentity = { type: 'exactRepository', repository: docker('example.org/a') }
    const table: readonly { identity: SignedIdentity; asked: string; claimed: string; accepts: boolean }[] = [
      { identity: exact, asked: 'example.org/a:1', claimed: 'example.org/a:1', accepts: true },
      { identity: exact, asked: 'example.org/a:1', claimed: 'example.org/a:2', accepts: false },
      { identity: exact, asked: 'example.org/a:1', claimed: 'example.org/b:1', accepts: false },
      { identity: exact, asked: 'example.org/a:1', claimed: 'example.org/a', accepts: false },
      { identity: exact, asked: 'example.org/a:1', claimed: `example.org/a@${DIGEST}`, accepts: false },
      { identity: exact, asked: `example.org/a@${DIGEST}`, claimed: `example.org/a@${DIGEST}`, accepts: true },
      { identity: exact, asked: `example.org/a@${DIGEST}`, claimed: `example.org/a@${OTHER}`, accepts: false },
      { identity: exact, asked: `example.org/a@${DIGEST}`, claimed: 'example.org/a:1', accepts: false },
      { identity: exact, asked: 'docker.io/library/busybox:1', claimed: 'busybox:1', accepts: true },
      { identity: exact, asked: 'busybox:1', claimed: 'index.docker.io/library/busybox:1', accepts: true },
      { identity: exact, asked: 'busybox:1', claimed: 'docker.io/busybox:1', accepts: true },
      { identity: exact, asked: 'example.org/a:latest', claimed: 'example.org/a', accepts: false },
      { identity: exact, asked: 'example.org/a:1', claimed: `example.org/a:1@${DIGEST}`, accepts: false },
      { identity: digestOrExact, asked: 'example.org/a:1', claimed: 'example.org/a:1', accepts: true },
      { identity: digestOrExact, asked: 'example.org/a:1', claimed: 'example.org/a:2', accepts: false },
      { identity: digestOrExact, asked: 'example.org/a:1', claimed: 'example.org/a', accepts: false },
      { identity: digestOrExact, asked: `example.org/a@${DIGEST}`, claimed: 'example.org/a:1', accepts: true },
      { identity: digestOrExact, asked: `example.org/a@${DIGEST}`, claimed: `example.org/a@${OTHER}`, accepts: true },
      { identity: digestOrExact, asked: `example.org/a@${DIGEST}`, claimed: 'example.org/a', accepts: false },
      { identity: digestOrExact, asked: `example.org/a@${DIGEST}`, claimed: 'example.org/b:1', accepts: false },
      { identity: repository, asked: 'example.org/a:1', claimed: 'example.org/a', accepts: true },
      { identity: repository, asked: 'example.org/a:1', claimed: 'example.org/a:2', accepts: true },
      { identity: repository, asked: 'example.org/a:1', claimed: 'EXAMPLE.org/a', accepts: true },
      { identity: repository, asked: 'example.org/a:1', claimed: 'example.org:443/a', accepts: false },
      { identity: repository, asked: 'example.org/a:1', claimed: 'example.org/a/b', accepts: false },
      { identity: repository, asked: 'example.org/a:1', claimed: 'example.org/A', accepts: false },
      { identity: repository, asked: 'example.org/a:1', claimed: '', accepts: false },
      { identity: exactReference, asked: 'other.example/x:9', claimed: 'example.org/a:1', accepts: true },
      { identity: exactReference, asked: 'example.org/a:1', claimed: 'example.org/a:2', accepts: false },
      { identity: exactReference, asked: 'example.org/a:1', claimed: 'example.org/a', accepts: false },
      { identity: exactRepository, asked: 'other.example/x:9', claimed: 'example.org/a:7', accepts: true },
      { identity: exactRepository, asked: 'other.example/x:9', claimed: 'example.org/a', accepts: true },
      { identity: exactRepository, asked: 'example.org/a:1', claimed: 'other.example/x:9', accepts: false },
    ]
    for (const row of table) {
      t.equal(
        accepts(row.identity, row.asked, claim(row.claimed)),
        row.accepts,
        `${row.identity.type}: ${row.asked} signed as ${row.claimed}`,
      )
      t.equal(
        accepts(row.identity, row.asked, claim(row.claimed), 'none'),
        row.accepts,
        'whatever the reading of an absent one',
      )
    }
  },
)

t.test('remapIdentity stands one name for another, in whole components (case 100)', async t => {
  const remap = (prefix: string, signedPrefix: string): SignedIdentity => ({
    type: 'remapIdentity',
    prefix,
    signedPrefix,
  })
  const table = [
    {
      prefix: 'mirror.example/x',
      signed: 'vendor.example/y',
      asked: 'mirror.example/x/app:1',
      claimed: 'vendor.example/y/app:1',
      accepts: true,
    },
    {
      prefix: 'mirror.example/x',
      signed: 'vendor.example/y',
      asked: 'mirror.example/x/app:1',
      claimed: 'mirror.example/x/app:1',
      accepts: false,
    },
    {
      prefix: 'mirror.example/x',
      signed: 'vendor.example/y',
      asked: 'mirror.example/xy/app:1',
      claimed: 'vendor.example/yy/app:1',
      accepts: false,
    },
    {
      prefix: 'mirror.example/x',
      signed: 'vendor.example/y',
      asked: 'mirror.example/xy/app:1',
      claimed: 'mirror.example/xy/app:1',
      accepts: true,
    },
    {
      prefix: 'mirror.example',
      signed: 'vendor.example',
      asked: 'mirror.example/app:1',
      claimed: 'vendor.example/app:1',
      accepts: true,
    },
    {
      prefix: 'mirror.example',
      signed: 'vendor.example',
      asked: 'mirror.example/app:1',
      claimed: 'vendor.example/app',
      accepts: false,
    },
    {
      prefix: 'mirror.example',
      signed: 'vendor.example',
      asked: `mirror.example/app@${DIGEST}`,
      claimed: 'vendor.example/app:7',
      accepts: true,
    },
    {
      prefix: 'mirror.example',
      signed: 'vendor.example',
      asked: 'mirror.example:5000/app:1',
      claimed: 'vendor.example:5000/app:1',
      accepts: false,
    },
    {
      prefix: 'mirror.example/app',
      signed: 'vendor.example',
      asked: 'mirror.example/app:1',
      claimed: 'vendor.example:1',
      accepts: false,
    },
  ]
  for (const { prefix, signed, asked, claimed, accepts: expected } of table) {
    t.equal(
      accepts(remap(prefix, signed), asked, claim(claimed)),
      expected,
      `${prefix} as ${signed}: ${asked} signed as ${claimed}`,
    )
  }
})

t.test(
  'case 59: a bundle claims no name: it meets no identity that is written down, and the reason says so',
  async t => {
    for (const type of ['matchExact', 'matchRepoDigestOrExact', 'matchRepository'] as const) {
      const verdict = acceptsClaim({
        identity: { type },
        reading: 'none',
        reference: image('example.org/a:1'),
        claim: { kind: 'none' },
      })
      t.equal(verdict.accepted, false, type)
      if (!verdict.accepted) t.match(verdict.reason, /bundle claims no name/)
    }
  },
)

t.test('design.md section 4: the three readings of an absent signedIdentity', async t => {
  const table: readonly { claimed: Claim; asked: string; asClaimed: boolean; exact: boolean; none: boolean }[] = [
    { claimed: claim('example.org/a:1'), asked: 'example.org/a:1', asClaimed: true, exact: true, none: true },
    { claimed: claim('example.org/a:2'), asked: 'example.org/a:1', asClaimed: false, exact: false, none: true },
    {
      claimed: claim(`example.org/a@${DIGEST}`),
      asked: `example.org/a@${DIGEST}`,
      asClaimed: true,
      exact: true,
      none: true,
    },
    { claimed: claim('example.org/a'), asked: 'example.org/a:1', asClaimed: true, exact: false, none: true },
    { claimed: claim('example.org/a'), asked: `example.org/a@${DIGEST}`, asClaimed: true, exact: false, none: true },
    { claimed: claim('example.org/b'), asked: 'example.org/a:1', asClaimed: false, exact: false, none: true },
    { claimed: claim('no reference at all'), asked: 'example.org/a:1', asClaimed: false, exact: false, none: true },
    { claimed: { kind: 'none' }, asked: 'example.org/a:1', asClaimed: true, exact: false, none: true },
  ]
  for (const row of table) {
    const what = `${row.asked} signed as ${row.claimed.kind === 'none' ? 'nothing' : row.claimed.reference}`
    t.equal(accepts(undefined, row.asked, row.claimed, 'asClaimed'), row.asClaimed, `asClaimed: ${what}`)
    t.equal(
      accepts(undefined, row.asked, row.claimed, 'matchRepoDigestOrExact'),
      row.exact,
      `matchRepoDigestOrExact: ${what}`,
    )
    t.equal(accepts(undefined, row.asked, row.claimed, 'none'), row.none, `none: ${what}`)
  }
})
