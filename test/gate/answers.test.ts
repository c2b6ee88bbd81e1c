import t from 'tap'
import { digestOf } from '../../src/reference/digest.ts'
import { blobOf, ecdsaSigner, imageOf, indexOf, OCI_INDEX, OCI_MANIFEST } from '../support/signer.ts'
import { scene, signedPolicy } from './scene.ts'

t.test('a signed image is served with the bytes, the digest and the verdict', async t => {
  const { registry, signer, pull } = await scene(t)
  const manifest = registry.putSigned('test', '1', signer, 'example.org')
  for (const name of ['test/manifests/1', 'example.org/test/manifests/1', `test/manifests/${manifest.digest}`]) {
    const answer = await pull(name)
    t.equal(answer.status, 200, name)
    t.ok(answer.body.equals(manifest.bytes), 'the very bytes')
    t.equal(answer.headers.get('docker-content-digest'), manifest.digest)
    t.equal(answer.headers.get('etag'), `"${manifest.digest}"`)
    t.equal(answer.headers.get('content-type'), manifest.mediaType)
    t.equal(answer.headers.get('x-sealgate-verdict'), 'accepted; scope="example.org"; signer="cosign.pub"')
  }
})

t.test('a pull by sha512 finds what is signed by sha256 (case 122)', async t => {
  const { registry, signer, pull } = await scene(t)
  const manifest = registry.putSigned('test', '1', signer, 'example.org')
  const unsigned = registry.put('test', imageOf('unsigned'), '2')
  for (const { blob, status } of [
    { blob: manifest, status: 200 },
    { blob: unsigned, status: 403 },
  ]) {
    const sha512 = digestOf(blob.bytes, 'sha512')
    registry.manifests.set(`test ${sha512}`, blob)
    const answer = await pull(`test/manifests/${sha512}`)
    t.equal(answer.status, status)
    if (status === 200) t.equal(answer.headers.get('docker-content-digest'), sha512)
  }
})

t.test('blobs: admitted serves only what an accepted manifest of the repository names', async t => {
  const { registry, signer, pull } = await scene(t, { config: { blobs: 'admitted' } })
  const signed = registry.putSigned('test', '1', signer, 'example.org')
  const [config] = imageOf('test:1').blobs
  const unsigned = imageOf('unsigned')
  registry.put('test', unsigned, '2')
  if (config === undefined || unsigned.blobs[0] === undefined) throw new Error('no blobs')
  t.equal((await pull(`test/blobs/${config.digest}`)).status, 403, 'not before its manifest was accepted')
  t.equal((await pull(`test/manifests/${signed.digest}`)).status, 200)
  t.equal((await pull(`test/blobs/${config.digest}`)).status, 200)
  t.equal((await pull('test/manifests/2')).status, 403)
  t.equal((await pull(`test/blobs/${unsigned.blobs[0].digest}`)).status, 403, 'a refused manifest names nothing')
})

t.test('tags and referrers are handed on, in pages as the client wrote them', async t => {
  const { registry, signer, pull } = await scene(t)
  registry.hasReferrersApi = true
  const manifest = registry.putSigned('test', 'v1', signer, 'example.org')
  registry.put('test', imageOf('two'), 'v2', 'v3')
  const first = await pull('example.org/test/tags/list?n=2')
  const list = JSON.parse(first.body.toString())
  t.same([list.name, list.tags.length], ['example.org/test', 2])
  const [, next = ''] = /<\/v2\/([^>]+)>; rel="next"/.exec(first.headers.get('link') ?? '') ?? []
  t.match(next, /^example\.org\/test\/tags\/list\?n=2&last=/)
  const rest = JSON.parse((await pull(next)).body.toString())
  t.same(
    [...list.tags, ...rest.tags].filter(name => name.startsWith('v')),
    ['v1', 'v2', 'v3'],
  )
  t.equal((await pull('nothing/tags/list')).status, 404)
  const subject = { mediaType: manifest.mediaType, digest: manifest.digest, size: manifest.size }
  const referrer = JSON.parse(imageOf('referrer').manifest.bytes.toString())
  const attached = blobOf(JSON.stringify({ ...referrer, subject, artifactType: 'application/x-one' }), OCI_MANIFEST)
  registry.put('test', { manifest: attached, blobs: [] })
  for (const { query, count } of [
    { query: '', count: 1 },
    { query: '?artifactType=application%2Fx-one', count: 1 },
    { query: '?artifactType=application%2Fx-two', count: 0 },
  ]) {
    const answer = await pull(`test/referrers/${manifest.digest}${query}`)
    t.equal(answer.headers.get('content-type'), OCI_INDEX)
    t.equal(JSON.parse(answer.body.toString()).manifests.length, count, query)
    t.equal(answer.headers.get('oci-filters-applied'), query === '' ? null : 'artifactType')
  }
})

t.test('case 61: a refusal says what is missing, on one line, in the shape that clients print', async t => {
  const { registry, signer, pull, adminUrl } = await scene(t)
  const other = ecdsaSigner()
  registry.put('unsigned', imageOf('unsigned'), 'latest')
  registry.putSigned('wrong-key', 'latest', other, 'example.org')
  const replayed = registry.put('replayed', imageOf('replayed'), 'latest')
  registry.sign('replayed', replayed, signer, 'example.org/original')
  const table = [
    {
      name: 'unsigned',
      says: /^blocked by image policy: example\.org\/unsigned:latest@sha256:[0-9a-f]{12}… needs a signature by cosign\.pub, found none \(scope example\.org\)$/,
    },
    { name: 'wrong-key', says: /needs a signature by cosign\.pub, found one: not made with cosign\.pub \(scope/ },
    { name: 'replayed', says: /found one: signed for example\.org\/original, not for example\.org\/replayed:latest/ },
  ]
  for (const { name, says } of table) {
    const { status, statusText, headers, code, message, body } = await pull(`${name}/manifests/latest`)
    t.equal(status, 403, name)
    t.equal(
      statusText,
      `Forbidden: ${message?.replace('…', '...')}`,
      'in the status line too, which is all that ctr prints',
    )
    t.equal(code, 'DENIED')
    t.match(message, says)
    t.ok((message ?? '').length <= 250 && !/[\r\n]/.test(message ?? ''))
    t.same(Object.keys(JSON.parse(body.toString())), ['errors'], 'no other top-level key')
    const { detail } = JSON.parse(body.toString()).errors[0]
    t.type(detail, 'string')
    t.match(headers.get('x-sealgate-verdict'), /^refused; id="[0-9a-f]{12}"$/)
    const [, id] = /decision ([0-9a-f]+)/.exec(detail) ?? []
    const explained = await (await fetch(`${adminUrl}/explain/${id}`)).json()
    t.match(explained, {
      verdict: 'refused',
      scope: 'example.org',
      evaluation: { requirements: [{ outcome: 'unmet' }] },
    })
  }
})

t.test('a refused HEAD is 405 for those who then repeat it as GET, 403 for the others', async t => {
  const { registry, pull } = await scene(t)
  registry.put('unsigned', imageOf('unsigned'), 'latest')
  const table = [
    { agent: 'containerd/1.6.20', status: 405 },
    { agent: 'docker/20.10.24 go/go1.19 UpstreamClient(Docker-Client/20.10)', status: 405 },
    { agent: 'buildkit/v0.17', status: 405 },
    { agent: 'containers/5.29 (github.com/containers/image)', status: 403 },
    { agent: 'go-containerregistry/v0.22.1', status: 403 },
    { agent: 'evil-docker/1', status: 403 },
  ]
  for (const { agent, status } of table) {
    const answer = await pull('unsigned/manifests/latest', { method: 'HEAD', headers: { 'user-agent': agent } })
    t.equal(answer.status, status, agent)
    t.match(
      answer.statusText,
      /: blocked by image policy: example\.org\/unsigned:latest@.* found none/,
      'with the reason',
    )
    t.equal(answer.body.length, 0)
    t.equal(answer.headers.get('docker-content-digest'), null, 'nothing is told of what is refused')
  }
})

t.test('HEAD is judged as GET is, and says the same (case 128)', async t => {
  const { registry, signer, pull } = await scene(t)
  const manifest = registry.putSigned('test', '1', signer, 'example.org')
  const head = await pull('test/manifests/1', { method: 'HEAD' })
  t.equal(head.status, 200)
  t.equal(head.headers.get('docker-content-digest'), manifest.digest)
  t.equal(head.headers.get('content-length'), String(manifest.size))
  t.equal(head.headers.get('content-type'), manifest.mediaType)
  t.equal(
    registry.requests.every(request => request.startsWith('GET ')),
    true,
    'the upstream is only ever asked for bytes',
  )
})

t.test('case 203: what an upstream says of itself is handed on', async t => {
  const table = [
    { upstream: 404, status: 404, code: 'MANIFEST_UNKNOWN', headers: {}, retryAfter: null },
    { upstream: 401, status: 401, code: 'UNAUTHORIZED', headers: {}, retryAfter: null },
    { upstream: 403, status: 403, code: 'DENIED', headers: {}, retryAfter: null },
    { upstream: 429, status: 429, code: 'TOOMANYREQUESTS', headers: { 'retry-after': '7' }, retryAfter: '7' },
    { upstream: 429, status: 429, code: 'TOOMANYREQUESTS', headers: { 'retry-after': '999999' }, retryAfter: '300' },
    { upstream: 500, status: 503, code: 'UNAVAILABLE', headers: {}, retryAfter: '5' },
    { upstream: 503, status: 503, code: 'UNAVAILABLE', headers: { 'retry-after': '9' }, retryAfter: '9' },
    {
      upstream: 302,
      status: 502,
      code: 'MANIFEST_INVALID',
      headers: { location: 'http://127.0.0.1:1/' },
      retryAfter: null,
    },
    { upstream: 206, status: 502, code: 'MANIFEST_INVALID', headers: {}, retryAfter: null },
  ]
  for (const row of table) {
    // A gate for each: a registry that says when to come again is not asked before.
    const { registry, pull } = await scene(t)
    registry.script = (_request, response) => {
      response.writeHead(row.upstream, { 'content-type': 'text/html', ...row.headers }).end('<html>')
      return true
    }
    const answer = await pull('test/manifests/1')
    t.equal(answer.status, row.status, `upstream ${row.upstream}`)
    t.equal(answer.code, row.code)
    t.equal(answer.headers.get('retry-after'), row.retryAfter)
    t.notMatch(answer.message ?? '', /^blocked by image policy/, 'not the policy’s words')
  }
})

t.test('nothing can be pushed (case 143)', async t => {
  const { registry, pull } = await scene(t)
  const table = [
    { method: 'PUT', name: 'test/manifests/1' },
    { method: 'DELETE', name: 'test/manifests/1' },
    { method: 'POST', name: 'test/blobs/uploads/' },
    { method: 'POST', name: `test/blobs/uploads/?mount=sha256:${'a'.repeat(64)}&from=other` },
    { method: 'PATCH', name: 'test/blobs/uploads/1' },
  ]
  for (const { method, name } of table) {
    const body = method === 'DELETE' ? undefined : '{}'
    const answer = await pull(name, {
      method,
      ...(body === undefined ? {} : { body, headers: { 'content-type': 'application/json' } }),
    })
    t.equal(answer.status, 405, `${method} ${name}`)
    t.equal(answer.code, 'UNSUPPORTED')
  }
  t.same(registry.requests, [])
})

t.test('an accepted index covers its children, in its own repository only (cases 115, 116)', async t => {
  const { registry, signer, pull } = await scene(t)
  const one = imageOf('one')
  const index = indexOf([one.manifest, imageOf('two').manifest])
  for (const repository of ['multi', 'elsewhere']) registry.put(repository, one)
  registry.put('multi', { manifest: index, blobs: [] }, 'latest')
  t.equal((await pull(`multi/manifests/${one.manifest.digest}`)).status, 403, 'not before its index was accepted')
  t.equal((await pull('multi/manifests/latest')).status, 403, 'the index is not signed')
  t.equal((await pull(`multi/manifests/${one.manifest.digest}`)).status, 403, 'a refused index covers nothing')
  registry.sign('multi', index, signer, 'example.org/multi')
  t.equal((await pull('multi/manifests/latest')).status, 200)
  const child = await pull(`multi/manifests/${one.manifest.digest}`)
  t.equal(child.status, 200)
  t.match(child.headers.get('x-sealgate-verdict'), `index="${index.digest}"`)
  t.equal((await pull(`elsewhere/manifests/${one.manifest.digest}`)).status, 403, 'another repository')
})

t.test('index: children lets an unsigned index pass if every child does by itself', async t => {
  const { registry, signer, pull } = await scene(t, { config: { index: 'children' } })
  const [one, two] = [imageOf('one'), imageOf('two')]
  const index = indexOf([one.manifest, two.manifest])
  for (const child of [one, two]) registry.put('multi', child)
  registry.put('multi', { manifest: index, blobs: [] }, 'latest')
  registry.sign('multi', one.manifest, signer, 'example.org/multi')
  const refused = await pull('multi/manifests/latest')
  t.equal(refused.status, 403, 'one child is not signed')
  registry.sign('multi', two.manifest, signer, 'example.org/multi')
  const accepted = await pull('multi/manifests/latest')
  t.equal(accepted.status, 200)
  t.match(accepted.headers.get('x-sealgate-verdict'), 'via="children"')
})

t.test('the digest that a HEAD of an accepted tag told a client may be pulled by that client', async t => {
  const { registry, signer, pull } = await scene(t, { policy: keyPath => signedPolicy(keyPath, 'example.org/test:1') })
  const manifest = registry.putSigned('test', '1', signer, 'example.org')
  t.equal((await pull('test/manifests/1')).status, 200)
  t.equal((await pull(`test/manifests/${manifest.digest}`)).status, 403, 'a GET of the tag announces nothing')
  t.equal((await pull('test/manifests/1', { method: 'HEAD' })).status, 200)
  t.equal((await pull(`test/manifests/${manifest.digest}`)).status, 200, 'as docker and containerd pull')
})
