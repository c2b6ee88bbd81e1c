import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import t from 'tap'
import { hexOf, type Digest } from '../../src/reference/digest.ts'
import { isTag, parseRegistryHost, repositoryOf, type Repository, type Tag } from '../../src/reference/repository.ts'
import { openLayoutUpstream } from '../../src/upstream/layout-upstream.ts'
import { temporaryDirectory } from '../support/gate.ts'
import { blobOf, imageOf, OCI_INDEX, OCI_MANIFEST, type Blob } from '../support/signer.ts'

function repository(path: string): Repository {
  const host = parseRegistryHost('example.org')
  const made = host && repositoryOf(host, path)
  if (made === undefined) throw new Error(path)
  return made
}
function tag(text: string): Tag {
  if (!isTag(text)) throw new Error(text)
  return text
}
const signal = (): AbortSignal => AbortSignal.timeout(5000)
const app = repository('team/app')

/** A layout of these blobs, whose index lists these descriptors. */
function layout(root: string, blobs: readonly Blob[], entries: readonly object[]): string {
  const directory = join(root, 'example.org', 'team', 'app')
  mkdirSync(join(directory, 'blobs', 'sha256'), { recursive: true })
  for (const blob of blobs) writeFileSync(join(directory, 'blobs', 'sha256', hexOf(blob.digest)), blob.bytes)
  writeFileSync(join(directory, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: entries }))
  return directory
}
const entry = ({ mediaType, digest, size }: Blob, name?: string): object => ({
  mediaType,
  digest,
  size,
  ...(name === undefined ? {} : { annotations: { 'org.opencontainers.image.ref.name': name } }),
})

t.test('a layout answers as a registry does', async t => {
  const root = temporaryDirectory(t)
  const { manifest, blobs } = imageOf('x')
  const [config] = blobs
  layout(root, [manifest, ...blobs], [entry(manifest, '1'), entry(manifest, '../../evil'), entry(manifest, '2')])
  const upstream = openLayoutUpstream(root)
  for (const reference of [tag('1'), manifest.digest]) {
    const fetched = await upstream.manifest(app, reference, signal())
    t.ok(Buffer.from(fetched?.bytes ?? []).equals(manifest.bytes))
    t.equal(fetched?.contentType, OCI_MANIFEST)
  }
  t.equal(await upstream.manifest(app, tag('3'), signal()), undefined)
  t.equal(await upstream.manifest(app, blobOf('absent').digest, signal()), undefined)
  t.equal(config && (await upstream.manifest(app, config.digest, signal())), undefined, 'a config is no manifest')
  t.equal(await upstream.manifest(repository('no/such'), tag('1'), signal()), undefined)
  t.equal(await upstream.tags(repository('no/such'), { n: 10, last: undefined }, signal()), undefined)
  t.same(
    await upstream.tags(app, { n: 10, last: undefined }, signal()),
    { tags: ['1', '2'], next: undefined },
    'names that are no tags are left out',
  )
  t.same(await upstream.tags(app, { n: 1, last: undefined }, signal()), { tags: ['1'], next: { last: '1' } })
  t.same(await upstream.tags(app, { n: 1, last: tag('1') }, signal()), { tags: ['2'], next: undefined })
})

t.test('blobs, whole and in parts', async t => {
  const root = temporaryDirectory(t)
  const blob = blobOf(Buffer.from('0123456789'))
  layout(root, [blob], [])
  const upstream = openLayoutUpstream(root)
  const table: readonly { range: string | undefined; status: number; text?: string; contentRange?: string }[] = [
    { range: undefined, status: 200, text: '0123456789' },
    { range: 'bytes=2-4', status: 206, text: '234', contentRange: 'bytes 2-4/10' },
    { range: 'bytes=8-', status: 206, text: '89', contentRange: 'bytes 8-9/10' },
    { range: 'bytes=-3', status: 206, text: '789', contentRange: 'bytes 7-9/10' },
    { range: 'bytes=-30', status: 206, text: '0123456789', contentRange: 'bytes 0-9/10' },
    { range: 'bytes=5-100', status: 206, text: '56789', contentRange: 'bytes 5-9/10' },
    { range: 'bytes=10-', status: 416, contentRange: 'bytes */10' },
    { range: 'bytes=-0', status: 416, contentRange: 'bytes */10' },
  ]
  for (const { range, status, text, contentRange } of table) {
    const opened = await upstream.openBlob(app, blob.digest, { method: 'GET', range, signal: signal() })
    t.equal(opened?.status, status, range ?? 'whole')
    t.equal(opened?.headers['content-range'], contentRange)
    t.equal(opened?.body && (await buffer(opened.body)).toString(), text)
    if (text !== undefined) t.equal(opened?.headers['content-length'], String(text.length))
  }
  const head = await upstream.openBlob(app, blob.digest, { method: 'HEAD', range: undefined, signal: signal() })
  t.same([head?.status, head?.headers['content-length'], head?.body], [200, '10', undefined])
  t.equal(
    await upstream.openBlob(app, blobOf('absent').digest, { method: 'GET', range: undefined, signal: signal() }),
    undefined,
  )
})

t.test('what is signed while it is served is seen with the next look', async t => {
  const root = temporaryDirectory(t)
  const { manifest } = imageOf('x')
  layout(root, [manifest], [])
  const upstream = openLayoutUpstream(root)
  t.equal(await upstream.manifest(app, tag('1'), signal()), undefined)
  layout(root, [manifest], [entry(manifest, '1')])
  t.ok(await upstream.manifest(app, tag('1'), signal()))
})

t.test('referrers: by subject, tagged or not, and by the fallback tag', async t => {
  const root = temporaryDirectory(t)
  const { manifest } = imageOf('x')
  const referrer = (salt: string, subject: Digest): Blob => {
    const config = { mediaType: 'application/vnd.oci.empty.v1+json', digest: blobOf('{}').digest, size: 2 }
    const named = { mediaType: OCI_MANIFEST, digest: subject, size: manifest.size }
    return blobOf(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: OCI_MANIFEST,
        config,
        layers: [],
        subject: named,
        annotations: { salt },
      }),
      OCI_MANIFEST,
    )
  }
  const [one, two, other] = [
    referrer('1', manifest.digest),
    referrer('2', manifest.digest),
    referrer('3', blobOf('other').digest),
  ]
  const fallback = blobOf(JSON.stringify({ schemaVersion: 2, manifests: [entry(two)] }), OCI_INDEX)
  const broken = blobOf('{', OCI_MANIFEST)
  layout(
    root,
    [manifest, one, other, fallback, broken],
    [entry(manifest, '1'), entry(one), entry(other), entry(broken), entry(fallback, manifest.digest.replace(':', '-'))],
  )
  const found = await openLayoutUpstream(root).referrers(app, manifest.digest, signal())
  t.same(
    found.map(({ digest }) => digest),
    [one.digest, two.digest],
  )
})

t.test('a layout that is not what it says is never believed', async t => {
  const root = temporaryDirectory(t)
  const { manifest } = imageOf('x')
  const lying: Blob = { ...manifest, bytes: imageOf('y').manifest.bytes }
  const directory = layout(root, [lying], [entry(manifest, '1')])
  const upstream = openLayoutUpstream(root)
  await t.rejects(upstream.manifest(app, tag('1'), signal()), { code: 'DIGEST_MISMATCH' }, 'other bytes under a digest')
  const whole = blobOf('a payload')
  const changed: Blob = { ...blobOf('another'), bytes: Buffer.from('changed') }
  layout(root, [whole, changed], [entry(manifest, '1')])
  const described = (blob: Blob, size: number) =>
    upstream.blob(app, { ...blob, size, annotations: new Map(), untrustedArtifactType: undefined }, signal())
  t.equal((await described(whole, whole.size))?.byteLength, whole.size)
  await t.rejects(described(whole, whole.size - 1), { code: 'TOO_LARGE' }, 'case 53: more bytes than described')
  await t.rejects(described(whole, whole.size + 1), { code: 'DIGEST_MISMATCH' }, 'case 53: fewer')
  await t.rejects(described(changed, changed.size), { code: 'DIGEST_MISMATCH' }, 'case 53: others')
  const outside = join(temporaryDirectory(t), 'secret')
  writeFileSync(outside, 'secret')
  const linked = blobOf('linked')
  symlinkSync(outside, join(directory, 'blobs', 'sha256', hexOf(linked.digest)))
  await t.rejects(
    upstream.openBlob(app, linked.digest, { method: 'GET', range: undefined, signal: signal() }),
    { code: 'BAD_ANSWER' },
    'a link out of it',
  )
  mkdirSync(join(directory, 'blobs', 'sha256', hexOf(blobOf('directory').digest)))
  await t.rejects(
    upstream.openBlob(app, blobOf('directory').digest, { method: 'GET', range: undefined, signal: signal() }),
    { code: 'BAD_ANSWER' },
  )
  for (const text of ['', '{', '[]', '{"manifests":1}', '{"manifests":[{}]}', '{"manifests":[],"manifests":[]}']) {
    writeFileSync(join(directory, 'index.json'), text)
    await t.rejects(upstream.manifest(app, tag('1'), signal()), { code: 'BAD_ANSWER' }, JSON.stringify(text))
  }
})
