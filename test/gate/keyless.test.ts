import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { run } from '../../src/cli/run.ts'
import { attachedKeyless, type AttachedKeylessOptions } from '../support/attached-keyless.ts'
import { imageOf, blobOf, OCI_MANIFEST, SIMPLE_SIGNING, sigManifest, sigTag, type Blob } from '../support/signer.ts'
import {
  certify,
  ISSUER,
  makeBundle,
  MEDIA_TYPE_3,
  minutes,
  statementAbout,
  SUBJECT,
  trustedRootOf,
} from '../support/local-sigstore.ts'
import { newKeys } from '../support/x509.ts'
import { scene, type Scene } from './scene.ts'

/** Five minutes ago: the local sigstore's own clock is an hour ahead, the gate's is not. */
const signedAt = minutes(-65)

function policy(identity: object, more: object = {}): object {
  const requirement = {
    ...more,
    type: 'sealgate.sigstoreIdentity',
    trustedRootData: trustedRootOf([]).toString('base64'),
    identities: [identity],
  }
  return { default: [{ type: 'reject' }], transports: { docker: { 'example.org': [requirement] } } }
}

/** Attaches a bundle to an image, as cosign 3 does: a manifest that has the image as its subject. */
async function attach(registry: Scene['registry'], repository: string, image: Blob, about: Blob): Promise<void> {
  const leaf = certify({ notBefore: minutes(-66), notAfter: minutes(-56) })
  const bytes = await makeBundle({
    by: { keys: leaf.keys, certificate: leaf },
    statement: statementAbout(about.digest),
    entries: [{ integratedAt: signedAt }],
  })
  const bundle = blobOf(bytes, MEDIA_TYPE_3)
  const { mediaType, digest, size } = image
  const manifest = blobOf(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      artifactType: MEDIA_TYPE_3,
      config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: blobOf('{}').digest, size: 2 },
      layers: [{ mediaType: bundle.mediaType, digest: bundle.digest, size: bundle.size }],
      subject: { mediaType, digest, size },
    }),
    OCI_MANIFEST,
  )
  registry.put(repository, { manifest, blobs: [bundle] })
  const index = blobOf(
    JSON.stringify({
      schemaVersion: 2,
      manifests: [{ mediaType: OCI_MANIFEST, digest: manifest.digest, size: manifest.size }],
    }),
    'application/vnd.oci.image.index.v1+json',
  )
  registry.put(repository, { manifest: index, blobs: [] }, image.digest.replace(':', '-'))
}

t.test('a workflow of GitHub may be asked for, by its identity and nobody else’s', async t => {
  const table = [
    { it: 'to the letter', identity: { issuer: ISSUER, subject: SUBJECT }, status: 200 },
    {
      it: 'by a pattern',
      identity: {
        issuer: ISSUER,
        subjectPattern: 'https://github.com/example/app/.github/workflows/*@refs/heads/main',
      },
      status: 200,
    },
    { it: 'another workflow', identity: { issuer: ISSUER, subject: SUBJECT.replace('release', 'other') }, status: 403 },
    { it: 'another issuer', identity: { issuer: 'https://gitlab.com', subject: SUBJECT }, status: 403 },
    { it: 'a beginning is not the whole', identity: { issuer: ISSUER, subject: SUBJECT.slice(0, -5) }, status: 403 },
  ]
  for (const { it, identity, status } of table) {
    const { registry, pull } = await scene(t, { policy: () => policy(identity) })
    const image = registry.put('app', imageOf(it), '1')
    await attach(registry, 'app', image, image)
    const answer = await pull('app/manifests/1')
    t.equal(answer.status, status, `${it}: ${answer.message ?? 'accepted'}`)
    if (status === 200) t.match(answer.headers.get('x-sealgate-verdict'), SUBJECT)
  }
})

t.test('a bundle about another image, and no bundle at all', async t => {
  const { registry, pull } = await scene(t, { policy: () => policy({ issuer: ISSUER, subject: SUBJECT }) })
  const image = registry.put('app', imageOf('app'), '1')
  t.equal((await pull('app/manifests/1')).status, 403)
  await attach(registry, 'app', image, imageOf('other').manifest)
  const answer = await pull('app/manifests/1')
  t.equal(answer.status, 403)
  t.match(answer.message, /needs a keyless signature by https:\/\/github\.com/)
})

/** Attaches a keyless `.sig` signature, as cosign 2 does; it claims `reference`. */
async function attachSig(
  registry: Scene['registry'],
  repository: string,
  image: Blob,
  reference: string,
  options: AttachedKeylessOptions = {},
): Promise<void> {
  const { payload, annotations } = await attachedKeyless(image.digest, reference, {
    leaf: certify({ notBefore: minutes(-66), notAfter: minutes(-56) }),
    integratedAt: signedAt,
    ...options,
  })
  registry.put(
    repository,
    sigManifest([{ payload: blobOf(payload, SIMPLE_SIGNING), annotations }]),
    sigTag(image.digest),
  )
}

t.test('a .sig signature of cosign 2 meets it too, under the rules for names that .sig signatures have', async t => {
  const letter = { issuer: ISSUER, subject: SUBJECT }
  const app = 'example.org/app'
  const stranger = { ...letter, subject: SUBJECT.replace('release', 'other') }
  const table: readonly {
    readonly it: string
    readonly policy: object
    readonly claim: string
    readonly options?: AttachedKeylessOptions
    readonly says: RegExp | 'accepted'
  }[] = [
    { it: 'to the letter', policy: policy(letter), claim: app, says: 'accepted' },
    { it: 'another workflow', policy: policy(stranger), claim: app, says: /found one: it is by https/ },
    { it: 'signed for another repository', policy: policy(letter), claim: 'example.org/b', says: /example\.org\/b/ },
    {
      it: 'a name that the policy asks for',
      policy: policy(letter, { signedIdentity: { type: 'exactRepository', dockerRepository: app } }),
      claim: app,
      says: 'accepted',
    },
    {
      it: 'case 21: another name than the policy asks for',
      policy: policy(letter, { signedIdentity: { type: 'exactRepository', dockerRepository: 'example.org/b' } }),
      claim: app,
      says: /signed for example\.org\/app, not for/,
    },
    {
      it: 'not logged',
      policy: policy(letter),
      claim: app,
      options: { change: { 'dev.sigstore.cosign/bundle': undefined } },
      says: /the annotation dev\.sigstore\.cosign\/bundle is/,
    },
  ]
  for (const { it, policy, claim, options, says } of table) {
    const { registry, pull } = await scene(t, { policy: () => policy })
    const image = registry.put('app', imageOf(it), '1')
    await attachSig(registry, 'app', image, claim, options)
    const answer = await pull('app/manifests/1')
    t.equal(answer.status, says === 'accepted' ? 200 : 403, it)
    if (says === 'accepted') t.match(answer.headers.get('x-sealgate-verdict'), SUBJECT)
    else t.match(answer.message, says)
  }
})

t.test('sealgate verify tells how a .sig signature was judged', async t => {
  const { registry, directory, policyFile } = await scene(t, {
    policy: () => policy({ issuer: ISSUER, subject: SUBJECT }),
  })
  const good = registry.put('good', imageOf('good'), '1')
  await attachSig(registry, 'good', good, 'example.org/good')
  const bad = registry.put('bad', imageOf('bad'), '1')
  await attachSig(registry, 'bad', bad, 'example.org/bad', { log: newKeys() })
  const config = join(directory, 'sealgate.yaml')
  writeFileSync(
    config,
    JSON.stringify({ policy: policyFile, registries: { 'example.org': { url: registry.url } }, log: 'silent' }),
  )
  const verify = async (image: string): Promise<{ readonly exit: number; readonly stdout: string }> => {
    let stdout = ''
    const exit = await run(['verify', image, '--config', config], {
      stdout: text => void (stdout += text),
      stderr: () => {},
      onSignal: () => {},
    })
    return { exit, stdout }
  }
  const accepted = await verify('example.org/good:1')
  t.equal(accepted.exit, 0)
  t.match(accepted.stdout, `✓ ${sigTag(good.digest)} layer 0`)
  t.match(accepted.stdout, `signed by ${SUBJECT} (${ISSUER}) (SHA256 `)
  t.match(accepted.stdout, 'claims example.org/good')
  t.match(accepted.stdout, `logged at ${signedAt.toISOString()}`)
  const refused = await verify('example.org/bad:1')
  t.equal(refused.exit, 1)
  t.match(refused.stdout, /✗ sha256-[0-9a-f]{64}\.sig layer 0\n\s+\S.*(?:inclusion|tlog|promise)/i)
})
