import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { BlobGuard, isManifestDocument } from '../../src/http/blob-guard.ts'
import { digestOf } from '../../src/reference/digest.ts'

const MIB = 1024 * 1024

function chunks(bytes: Buffer, size: number): Readable {
  const parts: Buffer[] = []
  for (let at = 0; at < bytes.length; at += size) parts.push(bytes.subarray(at, at + size))
  return Readable.from(parts)
}

/** What left the guard, and how it ended. */
async function through(
  bytes: Buffer,
  options: { chunk?: number; digest?: Buffer } = {},
): Promise<{ left: number; end: string }> {
  const guard = new BlobGuard(digestOf(options.digest ?? bytes))
  let left = 0
  guard.on('data', (chunk: Buffer) => (left += chunk.length))
  const ended = new Promise<string>(resolve => {
    guard.once('end', () => resolve('whole'))
    guard.once('error', error => resolve(error.name))
  })
  chunks(bytes, options.chunk ?? 64 * 1024).pipe(guard)
  return { end: await ended, left }
}

const manifests: readonly { it: string; text: string }[] = [
  { it: 'an image manifest', text: '{"schemaVersion":2,"config":{},"layers":[]}' },
  { it: 'an index', text: '{"schemaVersion":2,"manifests":[]}' },
  { it: 'a schema 1 manifest', text: '{"schemaVersion":1,"fsLayers":[]}' },
  { it: 'space before it', text: ' \r\n\t{"manifests":[]}' },
  { it: 'another case, as Go reads it', text: '{"Manifests":[]}' },
  { it: 'the long s, as Go reads it', text: '{"manifeſts":[]}' },
  { it: 'an escaped key', text: '{"\\u006cayers":[]}' },
  { it: 'the key after much else', text: `{"a":${JSON.stringify('x'.repeat(100_000))},"layers":[]}` },
  { it: 'the key after a nested object', text: '{"a":{"b":[1,{"c":"}"}]},"layers" : []}' },
]
const others: readonly { it: string; bytes: Buffer }[] = [
  { it: 'nothing', bytes: Buffer.alloc(0) },
  { it: 'a gzipped layer', bytes: gzipSync(Buffer.alloc(100_000)) },
  {
    it: 'an image config',
    bytes: Buffer.from('{"architecture":"amd64","config":{"layers":1},"rootfs":{"diff_ids":[]}}'),
  },
  { it: 'a key deeper down', bytes: Buffer.from('{"a":{"layers":[]},"b":["manifests"],"c":"layers"}') },
  { it: 'an array', bytes: Buffer.from('[{"layers":[]}]') },
  { it: 'a large document', bytes: Buffer.from(JSON.stringify({ payload: 'x'.repeat(5 * MIB) })) },
]

t.test('a manifest never leaves as a blob (case 123)', async t => {
  for (const { it, text } of manifests) {
    for (const chunk of [1_000_000, 7]) {
      const { left, end } = await through(Buffer.from(text), { chunk })
      t.same({ left, end }, { left: 0, end: 'ManifestInBlobError' }, `${it}, ${chunk} bytes at a time`)
    }
  }
})

t.test('anything else leaves whole', async t => {
  for (const { it, bytes } of others) {
    t.same(await through(bytes), { left: bytes.length, end: 'whole' }, it)
  }
})

t.test('a document too large to be a manifest still never leaves whole', async t => {
  const bytes = Buffer.from(`{"a":${JSON.stringify('x'.repeat(5 * MIB))},"layers":[]}`)
  const { left, end } = await through(bytes)
  t.equal(end, 'ManifestInBlobError')
  t.ok(left < bytes.length)
})

t.test('bytes with another digest never leave whole (case 125)', async t => {
  const bytes = Buffer.alloc(MIB, 1)
  const { left, end } = await through(bytes, { digest: Buffer.from('other') })
  t.equal(end, 'BlobDigestError')
  t.ok(left < bytes.length)
  t.same(
    await through(Buffer.from('short'), { digest: Buffer.from('other') }),
    { left: 0, end: 'BlobDigestError' },
    'a short one not at all',
  )
})

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

t.test('the guard hands on every byte in order', async t => {
  const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251))
  t.ok(bytes.equals(await buffer(chunks(bytes, 4096).pipe(new BlobGuard(digestOf(bytes))))))
})
