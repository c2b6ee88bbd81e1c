import t from 'tap'
import type { Digest } from '../../src/reference/digest.ts'
import { parseIndex, type LayoutIndex } from '../../src/upstream/layout-index.ts'
import { LayoutReferrers } from '../../src/upstream/layout-referrers.ts'
import { UpstreamError } from '../../src/upstream/upstream-error.ts'
import { blobOf, imageOf, indexOf, OCI_MANIFEST, type Blob } from '../support/signer.ts'

const subject = imageOf('subject').manifest
const referrer = ((): Blob => {
  const { mediaType, digest, size } = subject
  const document = { ...JSON.parse(imageOf('x').manifest.bytes.toString()), subject: { mediaType, digest, size } }
  return blobOf(JSON.stringify(document), OCI_MANIFEST)
})()
const layoutOf = (...blobs: readonly Blob[]): LayoutIndex => parseIndex(indexOf(blobs).bytes)
const digestsOf = (found: readonly { readonly digest: Digest }[]): readonly Digest[] =>
  found.map(({ digest }) => digest)

/** Blobs by digest, and how often one was read. */
function shelf(...blobs: readonly Blob[]) {
  const reads: Digest[] = []
  return {
    reads,
    read: async (digest: Digest): Promise<Uint8Array | undefined> => {
      reads.push(digest)
      return blobs.find(blob => blob.digest === digest)?.bytes
    },
  }
}

t.test('an index is searched once, however often it is asked, and another one anew', async t => {
  const { read, reads } = shelf(subject, referrer)
  const index = layoutOf(subject, referrer)
  const referrers = new LayoutReferrers()
  const found = await Promise.all([1, 2, 3].map(() => referrers.find(index, subject.digest, read)))
  for (const list of found) t.same(digestsOf(list), [referrer.digest])
  t.same(await referrers.find(index, referrer.digest, read), [])
  t.equal(reads.length, 2)
  await referrers.find(layoutOf(subject, referrer), subject.digest, read)
  t.equal(reads.length, 4)
})

t.test('what could not be read is an error and not "none", and is tried again (case 217)', async t => {
  const index = layoutOf(subject, referrer)
  const referrers = new LayoutReferrers()
  const failing = async (): Promise<never> => {
    throw new UpstreamError('BAD_ANSWER', 'EMFILE')
  }
  await t.rejects(referrers.find(index, subject.digest, failing), { code: 'BAD_ANSWER' })
  t.same(digestsOf(await referrers.find(index, subject.digest, shelf(subject, referrer).read)), [referrer.digest])
})

t.test('a blob that is still being written counts when it is there', async t => {
  const index = layoutOf(subject, referrer)
  const referrers = new LayoutReferrers()
  t.same(await referrers.find(index, subject.digest, shelf(subject).read), [])
  t.same(digestsOf(await referrers.find(index, subject.digest, shelf(subject, referrer).read)), [referrer.digest])
})

t.test('an entry with other bytes, or too many, refers to nothing and hides nothing', async t => {
  for (const code of ['DIGEST_MISMATCH', 'TOO_LARGE'] as const) {
    const { read } = shelf(subject, referrer)
    const reading = async (digest: Digest): Promise<Uint8Array | undefined> => {
      if (digest === subject.digest) throw new UpstreamError(code, 'bad')
      return read(digest)
    }
    const found = await new LayoutReferrers().find(layoutOf(subject, referrer), subject.digest, reading)
    t.same(digestsOf(found), [referrer.digest], code)
  }
})

t.test('case 228: more entries than are searched are an error', async t => {
  const entry = { mediaType: OCI_MANIFEST, digest: subject.digest, size: subject.size }
  const ofSize = (length: number): LayoutIndex =>
    parseIndex(Buffer.from(JSON.stringify({ manifests: Array.from({ length }, () => entry) })))
  const { read } = shelf(subject)
  t.same(await new LayoutReferrers().find(ofSize(10_000), subject.digest, read), [])
  await t.rejects(new LayoutReferrers().find(ofSize(10_001), subject.digest, read), { code: 'TOO_LARGE' })
})
