import t from 'tap'
import type { Digest } from '../../src/reference/digest.ts'
import { startEvilRegistry, type EvilRegistry } from '../support/evil-registry.ts'
import { answer, drip, endless, hangUp, redirect, silence } from '../support/faults.ts'
import { blobOf, imageOf, indexOf, OCI_INDEX, OCI_MANIFEST, type Blob } from '../support/signer.ts'
import { repositoryAt, upstreamOf, within } from '../support/upstream.ts'

type Teardown = Parameters<typeof startEvilRegistry>[0]

const subject = imageOf('subject').manifest

function referrerOf(salt: string): { readonly manifest: Blob; readonly blobs: readonly Blob[] } {
  const { manifest, blobs } = imageOf(salt)
  const { mediaType, digest, size } = subject
  const document = { ...JSON.parse(manifest.bytes.toString()), subject: { mediaType, digest, size } }
  return { manifest: blobOf(JSON.stringify(document), OCI_MANIFEST), blobs }
}

const attached = referrerOf('a signature')
const fallbackTag = subject.digest.replace(':', '-')
const listOf = (...blobs: readonly Blob[]): Buffer => indexOf(blobs).bytes

async function registryWith(t: Teardown): Promise<EvilRegistry> {
  const registry = await startEvilRegistry(t)
  registry.put('team/app', { manifest: subject, blobs: [] })
  return registry
}

const find = async (t: Teardown, registry: EvilRegistry, ms?: number): Promise<readonly Digest[]> => {
  const found = await upstreamOf(t, registry).referrers(repositoryAt(), subject.digest, within(ms))
  return found.map(({ digest }) => digest)
}

t.test('case 63: how registries say that they have no referrers API: the fallback tag counts then', async t => {
  const table = [
    { it: '404, as distribution 2.8', script: answer(404) },
    { it: '400', script: answer(400) },
    { it: '406', script: answer(406) },
    { it: '303 to a web site, as ghcr.io', script: redirect('https://github.example/-/v2/packages', 303) },
    { it: '200 with a page', script: answer(200, { 'content-type': 'text/html' }, '<html>') },
    { it: '200 with JSON that is no index', script: answer(200, { 'content-type': 'application/json' }, '{}') },
  ]
  for (const { it, script } of table) {
    const registry = await registryWith(t)
    registry.on(/referrers/, script)
    t.same(await find(t, registry), [], `${it}: none attached`)
    registry.put('team/app', { manifest: indexOf([attached.manifest]), blobs: [] }, fallbackTag)
    t.same(await find(t, registry), [attached.manifest.digest], it)
  }
})

t.test('case 203: what could not be found out is never "none"', async t => {
  const table = [
    { it: '429', script: answer(429), code: 'RATE_LIMITED' },
    { it: '500', script: answer(500), code: 'SERVER_ERROR' },
    { it: '401', script: answer(401), code: 'UNAUTHORIZED' },
    { it: '403', script: answer(403), code: 'FORBIDDEN' },
    { it: '410', script: answer(410), code: 'BAD_ANSWER' },
    { it: 'silence', script: silence, code: 'TIMED_OUT' },
    { it: 'a drip', script: drip(50, { 'content-type': OCI_INDEX }), code: 'TIMED_OUT' },
    { it: 'a hang-up', script: hangUp, code: 'UNREACHABLE' },
    { it: 'case 228: no end', script: endless({ 'content-type': OCI_INDEX }), code: 'TOO_LARGE' },
    { it: 'no JSON', script: answer(200, { 'content-type': OCI_INDEX }, '{'), code: 'BAD_ANSWER' },
    {
      it: 'a descriptor with no digest',
      script: answer(200, { 'content-type': OCI_INDEX }, '{"manifests":[{"mediaType":"x","size":1,"digest":"md5:1"}]}'),
      code: 'BAD_ANSWER',
    },
  ]
  for (const [place, what] of [
    [/\/referrers\//, 'the API'],
    [new RegExp(`/manifests/${fallbackTag}`), 'the fallback tag'],
  ] as const) {
    for (const { it, script, code } of table) {
      const registry = await registryWith(t)
      registry.put('team/app', { manifest: indexOf([attached.manifest]), blobs: [] }, fallbackTag)
      registry.on(place, script)
      await t.rejects(find(t, registry, 900), { name: 'UpstreamError', code }, `${what}: ${it}`)
    }
  }
})

t.test('the API and the fallback tag are asked side by side, until the API has answered', async t => {
  const registry = await registryWith(t)
  registry.hasReferrersApi = true
  registry.put('team/app', attached)
  const upstream = upstreamOf(t, registry)
  for (const asked of [2, 3, 4]) {
    const found = await upstream.referrers(repositoryAt(), subject.digest, within())
    t.same(
      found.map(({ digest }) => digest),
      [attached.manifest.digest],
    )
    t.equal(registry.requests.length, asked)
  }
  registry.hasReferrersApi = false
  registry.put('team/app', { manifest: indexOf([subject]), blobs: [] }, fallbackTag)
  const found = await upstream.referrers(repositoryAt(), subject.digest, within())
  t.equal(found[0]?.digest, subject.digest, 'an API that is gone is not believed in for long')
})

t.test('a fallback tag that is an image lists nothing', async t => {
  const registry = await registryWith(t)
  registry.put('team/app', imageOf('no list'), fallbackTag)
  t.same(await find(t, registry), [])
})

t.test('case 63: the list of a fallback tag is as long as that of the API may be', async t => {
  const registry = await registryWith(t)
  const upstream = upstreamOf(t, registry, { maxManifestBytes: 1024 * 1024 })
  const list = (count: number): void => {
    const manifest = indexOf(Array.from({ length: count }, () => attached.manifest))
    registry.put('team/app', { manifest, blobs: [] }, fallbackTag)
  }
  list(1000)
  t.equal((await upstream.referrers(repositoryAt(), subject.digest, within())).length, 1000)
  list(1001)
  await t.rejects(upstream.referrers(repositoryAt(), subject.digest, within()), { code: 'TOO_LARGE' })
})

t.test('cases 64, 228: pages', async t => {
  const api = `/v2/team/app/referrers/${subject.digest}`
  const page = (next: string | undefined, body: Buffer = listOf(attached.manifest)) =>
    answer(200, { 'content-type': OCI_INDEX, ...(next === undefined ? {} : { link: `<${next}>; rel="next"` }) }, body)
  const many = (count: number): Buffer => listOf(...Array.from({ length: count }, () => attached.manifest))
  type Answer = (query: string) => EvilRegistry['script']
  const table: readonly { it: string; pages: Answer; finds: number | string }[] = [
    { it: 'ten', pages: query => page(query === '?p=9' ? undefined : next(query)), finds: 10 },
    { it: 'eleven', pages: query => page(query === '?p=10' ? undefined : next(query)), finds: 'BAD_ANSWER' },
    { it: 'a loop of two', pages: query => page(query === '?p=1' ? api : `${api}?p=1`), finds: 'BAD_ANSWER' },
    { it: 'a relative one', pages: query => page(query === '' ? '?p=1' : undefined), finds: 2 },
    { it: 'another host', pages: () => page(`http://evil.example${api}`), finds: 'BLOCKED' },
    { it: 'another repository', pages: () => page(api.replace('app', 'other')), finds: 'BLOCKED' },
    { it: 'no URL', pages: () => page('http://['), finds: 'BLOCKED' },
    { it: 'a page that is missing', pages: query => (query === '' ? page('?p=1') : answer(404)), finds: 'BAD_ANSWER' },
    { it: '1000 of them', pages: () => page(undefined, many(1000)), finds: 1000 },
    { it: '1000 on two pages', pages: query => page(query === '' ? '?p=1' : undefined, many(500)), finds: 1000 },
    {
      it: '1001 on two pages',
      pages: query => (query === '' ? page('?p=1', many(500)) : page(undefined, many(501))),
      finds: 'TOO_LARGE',
    },
  ]
  function next(query: string): string {
    return `${api}?p=${Number(query.slice(3)) + 1}`
  }
  for (const { it, pages, finds } of table) {
    const registry = await registryWith(t)
    registry.on(/\/referrers\//, (request, response) =>
      pages(new URL(request.url ?? '', registry.url).search)(request, response),
    )
    const upstream = upstreamOf(t, registry, { maxManifestBytes: 1024 * 1024 })
    const found = upstream.referrers(repositoryAt(), subject.digest, within())
    if (typeof finds === 'number') t.equal((await found).length, finds, it)
    else await t.rejects(found, { code: finds }, it)
  }
})
