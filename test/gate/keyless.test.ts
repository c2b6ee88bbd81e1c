import t from 'tap'
import { imageOf, blobOf, OCI_MANIFEST, type Blob } from '../support/signer.ts'
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
import { scene, type Scene } from './scene.ts'

/** Five minutes ago: the local sigstore's own clock is an hour ahead, the gate's is not. */
const signedAt = minutes(-65)

function policy(identity: object): object {
  const requirement = {
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
