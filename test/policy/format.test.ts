import t from 'tap'
import { describeRequirement, shortName } from '../../src/policy/format.ts'
import { parsePolicy } from '../../src/policy/parse-policy.ts'
import { acceptsClaim } from '../../src/policy/signed-identity.ts'
import { parseImageReference } from '../../src/reference/image-reference.ts'

const DATA = Buffer.from('key').toString('base64')
function requirementOf(written: object) {
  const parsed = parsePolicy(Buffer.from(JSON.stringify({ default: [written] })))
  if (!parsed.ok) throw new Error(parsed.problems[0].message)
  return parsed.value.default[0]
}

t.test('what a requirement needs, as a 403 says it', async t => {
  const fulcio = { caPath: 'c', oidcIssuer: 'https://issuer.example', subjectEmail: 'alice@example.org' }
  const pki = { caRootsPath: 'r', subjectEmail: 'alice@example.org', subjectHostname: 'ci.example.org' }
  const table: readonly { written: object; needs: string }[] = [
    { written: { type: 'insecureAcceptAnything' }, needs: 'nothing' },
    { written: { type: 'reject' }, needs: 'what cannot be met: everything is rejected' },
    { written: { type: 'sigstoreSigned', keyPath: '/run/keys/cosign.pub' }, needs: 'a signature by cosign.pub' },
    { written: { type: 'sigstoreSigned', keyPaths: ['/x/a.pub', 'b.pub'] }, needs: 'a signature by a.pub or b.pub' },
    { written: { type: 'sigstoreSigned', keyData: DATA }, needs: 'a signature by keyData' },
    {
      written: { type: 'sigstoreSigned', keyPath: 'kbs:///default/cosign-public-key/test' },
      needs: 'a signature by kbs:///default/cosign-public-key/test',
    },
    {
      written: { type: 'sigstoreSigned', keyPath: 'cosign.pub', rekorPublicKeyPath: 'rekor.pub' },
      needs: 'a signature by cosign.pub, logged in Rekor',
    },
    {
      written: { type: 'sigstoreSigned', fulcio, rekorPublicKeyPath: 'r' },
      needs: 'a signature by alice@example.org (https://issuer.example)',
    },
    {
      written: { type: 'sigstoreSigned', pki },
      needs: 'a signature by a certificate for alice@example.org and ci.example.org',
    },
    {
      written: { type: 'signedBy', keyType: 'GPGKeys', keyPath: '/etc/pki/team.gpg' },
      needs: 'a GPG signature by team.gpg',
    },
    {
      written: { type: 'signedBaseLayer', baseLayerIdentity: { type: 'matchExact' } },
      needs: 'a signed base layer',
    },
  ]
  for (const { written, needs } of table) t.equal(describeRequirement(requirementOf(written)), needs)
  t.equal(shortName('a/b/c.pub'), 'c.pub')
})

t.test('for which image a signature is, and for which it should be', async t => {
  const table: readonly { identity: object; reason: string }[] = [
    { identity: { type: 'matchExact' }, reason: 'signed for a.example/b:1, not for a.example/c:1' },
    { identity: { type: 'matchRepository' }, reason: 'signed for a.example/b:1, not for a.example/c:1' },
    {
      identity: { type: 'exactReference', dockerReference: 'a.example/d:2' },
      reason: 'signed for a.example/b:1, not for a.example/d:2',
    },
    {
      identity: { type: 'exactRepository', dockerRepository: 'a.example/d' },
      reason: 'signed for a.example/b:1, not for the repository a.example/d',
    },
    {
      identity: { type: 'remapIdentity', prefix: 'a.example', signedPrefix: 'v.example/x' },
      reason: 'signed for a.example/b:1, not for a.example/c:1 with a.example read as v.example/x',
    },
  ]
  const reference = parseImageReference('a.example/c:1')
  if (reference === undefined) throw new Error('a broken reference')
  for (const { identity, reason } of table) {
    const requirement = requirementOf({ type: 'sigstoreSigned', keyPath: 'k', signedIdentity: identity })
    if (requirement.type !== 'sigstoreSigned') throw new Error('a broken row')
    const { signedIdentity } = requirement
    const claim = { kind: 'reference', reference: 'a.example/b:1' } as const
    t.same(acceptsClaim({ identity: signedIdentity, reading: 'none', reference, claim }), { accepted: false, reason })
  }
})
