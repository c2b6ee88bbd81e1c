import { Readable } from 'node:stream'
import t from 'tap'
import { bytesToRead, isManifestDocument, readSmallBlob } from '../../../src/http/blob/small-blob.ts'
import { MAX_MANIFEST_BYTES } from '../../../src/manifest/manifest.ts'
import { digestOf } from '../../../src/reference/digest.ts'
import { chunks, manifests, others } from './blobs.ts'

t.test('what some client could take for a manifest is one', async t => {
  for (const { it, text } of manifests) t.equal(isManifestDocument(Buffer.from(text)), true, it)
  for (const { it, bytes } of others) t.equal(isManifestDocument(bytes), false, it)
})

t.test('a blob of a manifest’s size is read whole and checked', async t => {
  const most = Buffer.alloc(MAX_MANIFEST_BYTES, 7)
  t.same(await readSmallBlob(chunks(most, 64 * 1024), digestOf(most)), most, 'L')
  const more = Buffer.alloc(MAX_MANIFEST_BYTES + 1, 7)
  t.equal(await readSmallBlob(chunks(more, 64 * 1024), digestOf(more)), 'large', 'L+1')
  await t.rejects(readSmallBlob(chunks(Buffer.from('a'), 9), digestOf(Buffer.from('b'))), { name: 'BlobDigestError' })
  const manifest = Buffer.from(manifests[0]?.text ?? '')
  await t.rejects(readSmallBlob(chunks(manifest, 3), digestOf(manifest)), { name: 'ManifestInBlobError' })
  const endless = new Readable({
    read() {
      this.push(Buffer.alloc(64 * 1024, 0x1f))
    },
  })
  t.equal(await readSmallBlob(endless, digestOf(most)), 'large')
  t.ok(endless.destroyed, 'and no more of it is read')
})

t.test('how much that may take', async t => {
  const of = (length?: number): ReturnType<typeof bytesToRead> =>
    bytesToRead({ headers: length === undefined ? {} : { 'content-length': String(length) } })
  t.equal(of(0), 0)
  t.equal(of(MAX_MANIFEST_BYTES), MAX_MANIFEST_BYTES)
  t.equal(of(MAX_MANIFEST_BYTES + 1), 'large')
  t.equal(of(), MAX_MANIFEST_BYTES, 'nobody said')
})
