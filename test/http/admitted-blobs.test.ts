import t from 'tap'
import { AdmittedBlobs } from '../../src/http/admitted-blobs.ts'
import { parseManifest } from '../../src/manifest/manifest.ts'
import { imageOf } from '../support/signer.ts'
import { repositoryAt } from '../support/upstream.ts'

t.test('case 124: a blob is admitted for the repository and the policy that its manifest was accepted in', async t => {
  const admitted = new AdmittedBlobs(100)
  const image = imageOf('app')
  const manifest = parseManifest(image.manifest.bytes, image.manifest.mediaType)
  if (manifest.kind !== 'image') throw new Error('an image was expected')
  const own = repositoryAt('team/app')
  admitted.admit('policy 1', own, manifest)
  for (const { digest } of [manifest.config, ...manifest.layers]) {
    t.equal(admitted.has('policy 1', own, digest), true)
    t.equal(admitted.has('policy 1', repositoryAt('team/other'), digest), false, 'another repository')
    t.equal(admitted.has('policy 1', repositoryAt('team/app', 'other.example'), digest), false, 'another registry')
    t.equal(admitted.has('policy 2', own, digest), false, 'another policy')
  }
  t.equal(admitted.has('policy 1', own, manifest.digest), false, 'the manifest is no blob')
})
