import { Readable } from 'node:stream'
import t from 'tap'
import { isManifestDocument } from '../../../src/http/blob/manifest-screen.ts'
import { chunks, manifests, others } from './blobs.ts'

t.test('isManifestDocument reads no further than it must', async t => {
  for (const { it, text } of manifests) t.equal(await isManifestDocument(chunks(Buffer.from(text), 3)), true, it)
  for (const { it, bytes } of others) t.equal(await isManifestDocument(chunks(bytes, 64 * 1024)), false, it)
  const endless = new Readable({
    read() {
      this.push(Buffer.alloc(1024, 0x1f))
    },
  })
  t.equal(await isManifestDocument(endless), false, 'one chunk is enough for what is no JSON')
  t.ok(endless.destroyed)
})
