import { request as httpRequest } from 'node:http'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { raw } from '../support/raw-socket.ts'
import {
  type AttachedLayer,
  blobOf,
  imageOf,
  indexOf,
  OCI_INDEX,
  OCI_MANIFEST,
  payloadOf,
  sigManifest,
  signatureLayer,
  SIMPLE_SIGNING,
  sigTag,
} from '../support/signer.ts'
import { scene, type Scene } from './scene.ts'

t.test('case 106: an upstream that answers differently the second time cannot get unverified bytes out', async t => {
  const { registry, signer, pull } = await scene(t)
  const good = registry.putSigned('test', '1', signer, 'example.org')
  const evil = imageOf('evil').manifest
  let asked = 0
  registry.script = (request, response) => {
    if (request.url !== '/v2/test/manifests/1') return false
    asked += 1
    const bytes = asked % 2 === 1 ? good.bytes : evil.bytes
    response.writeHead(200, { 'content-type': OCI_MANIFEST, 'docker-content-digest': good.digest }).end(bytes)
    return true
  }
  for (let round = 0; round < 6; round += 1) {
    const answer = await pull('test/manifests/1')
    if (answer.status === 200) t.ok(answer.body.equals(good.bytes), `round ${round}: the signed bytes`)
    else t.equal(answer.status, 403, `round ${round}: refused`)
    t.notOk(answer.body.includes(evil.bytes))
  }
})

t.test('case 108: a digest is only ever answered with its own bytes', async t => {
  const { registry, signer, pull } = await scene(t)
  const good = registry.putSigned('test', '1', signer, 'example.org')
  const evil = imageOf('evil').manifest
  registry.script = (request, response) => {
    if (request.url !== `/v2/test/manifests/${good.digest}`) return false
    response.writeHead(200, { 'content-type': OCI_MANIFEST, 'docker-content-digest': good.digest }).end(evil.bytes)
    return true
  }
  const answer = await pull(`test/manifests/${good.digest}`)
  t.equal(answer.status, 502)
  t.equal(answer.code, 'MANIFEST_INVALID')
  t.match(answer.message, good.digest)
  t.match(answer.message, evil.digest)
  registry.script = () => false
  t.equal((await pull(`test/manifests/${good.digest}`)).status, 200, 'and nothing of it is remembered')
})

t.test('cases 110 to 113: documents that two clients could read differently', async t => {
  const { registry, signer, pull } = await scene(t)
  const { config, layers } = JSON.parse(imageOf('x').manifest.bytes.toString())
  const table = [
    {
      it: 'image and index at once',
      text: JSON.stringify({ schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers, manifests: [] }),
      status: 403,
    },
    { it: 'schema 1', text: '{"schemaVersion":1,"fsLayers":[]}', status: 403 },
    {
      it: 'a repeated key',
      text: `{"schemaVersion":2,"config":${JSON.stringify(config)},"layers":[],"layers":[]}`,
      status: 502,
    },
    {
      it: 'a key in another case',
      text: `{"schemaVersion":2,"config":${JSON.stringify(config)},"layers":[],"Layers":[]}`,
      status: 502,
    },
    { it: 'a byte order mark', text: `\uFEFF${JSON.stringify({ schemaVersion: 2, config, layers })}`, status: 502 },
    { it: 'a NUL behind it', text: `${JSON.stringify({ schemaVersion: 2, config, layers })}\0`, status: 502 },
    { it: 'text after the document', text: `${JSON.stringify({ schemaVersion: 2, config, layers })}{}`, status: 502 },
    {
      it: 'a size no double holds',
      text: `{"schemaVersion":2,"config":${JSON.stringify({ ...config, size: 1 }).replace('"size":1', '"size":9007199254740993')},"layers":[]}`,
      status: 502,
    },
    {
      it: 'a media type of somebody else',
      text: JSON.stringify({ schemaVersion: 2, mediaType: 'application/x-evil', config, layers }),
      status: 403,
    },
  ]
  for (const { it, text, status } of table) {
    const manifest = blobOf(text, OCI_MANIFEST)
    registry.put('odd', { manifest, blobs: [] }, 'latest')
    registry.sign('odd', manifest, signer, 'example.org/odd')
    const answer = await pull('odd/manifests/latest')
    t.equal(answer.status, status, it)
    t.notOk(answer.body.includes(manifest.bytes), 'no byte of it leaves')
  }
})

t.test('cases 106 and 123: a registry that gives other bytes for a part than for the whole', async t => {
  const { registry, pull } = await scene(t)
  const { bytes, digest } = imageOf('refused').manifest
  const innocent = Buffer.alloc(bytes.length, 1)
  const large = Buffer.alloc(5 * 1024 * 1024, 1)
  let whole: Buffer = innocent
  let isLengthTold = true
  let total = bytes.length
  registry.on(/\/blobs\//, (request, response) => {
    const [, from] = /^bytes=(\d+)-/.exec(request.headers.range ?? '') ?? []
    if (from === undefined) {
      response.writeHead(200, isLengthTold ? { 'content-length': whole.length } : {}).end(whole)
      return true
    }
    const part = bytes.subarray(Number(from))
    const range = `bytes ${from}-${bytes.length - 1}/${total}`
    response.writeHead(206, { 'content-range': range, 'content-length': part.length }).end(part)
    return true
  })
  const ask = (range: string): ReturnType<typeof pull> => pull(`test/blobs/${digest}`, { headers: { range } })
  t.equal((await ask('bytes=0-')).status, 502, 'the whole has another digest')
  whole = large
  for (const told of [true, false]) {
    isLengthTold = told
    t.match(await ask('bytes=0-'), { status: 502 }, 'said to be large, and then small')
    total = large.length
    t.match(await ask('bytes=0-'), { status: 403, code: 'DENIED' }, 'and large again, but it begins as a manifest')
    total = bytes.length
  }
})

t.test('a part of a small blob is of the bytes that have the digest', async t => {
  const { registry, pull, adminUrl } = await scene(t)
  const blob = blobOf(Buffer.from(Uint8Array.from({ length: 1000 }, (_, index) => index % 251)))
  registry.blobs.set(`test ${blob.digest}`, blob)
  const table: readonly {
    readonly range: string
    readonly status: number
    readonly is: string
    readonly part?: Buffer
  }[] = [
    { range: 'bytes=0-9', status: 206, is: 'bytes 0-9/1000', part: blob.bytes.subarray(0, 10) },
    { range: 'bytes=990-', status: 206, is: 'bytes 990-999/1000', part: blob.bytes.subarray(990) },
    { range: 'bytes=-5', status: 206, is: 'bytes 995-999/1000', part: blob.bytes.subarray(995) },
    { range: 'bytes=0-5000', status: 206, is: 'bytes 0-999/1000', part: blob.bytes },
    { range: 'bytes=1000-', status: 416, is: 'bytes */1000' },
  ]
  for (const { range, status, is, part } of table) {
    const answer = await pull(`test/blobs/${blob.digest}`, { headers: { range } })
    t.equal(answer.status, status, range)
    t.equal(answer.headers.get('content-range'), is)
    if (part !== undefined) t.ok(answer.body.equals(part))
    if (status === 206) t.equal(answer.headers.get('docker-content-digest'), blob.digest)
  }
  t.equal((await pull(`test/blobs/${blobOf('gone').digest}`, { headers: { range: 'bytes=0-1' } })).status, 404)
  const metrics = await (await fetch(`${adminUrl}/metrics`)).text()
  t.match(metrics, /^sealgate_blob_bytes_total 1025$/m, 'counted as what has left')
})

t.test('case 104: a tag that looks like a signature is no way out for an image', async t => {
  const { registry, signer, pull } = await scene(t)
  const evil = registry.put('test', imageOf('evil'), sigTag(imageOf('other').manifest.digest))
  const tag = sigTag(imageOf('other').manifest.digest)
  t.equal((await pull(`test/manifests/${tag}`)).status, 403)
  t.equal((await pull(`test/manifests/${evil.digest}`)).status, 403)
  const image = registry.putSigned('test', '1', signer, 'example.org')
  const signatures = await pull(`test/manifests/${sigTag(image.digest)}`)
  t.equal(signatures.status, 200, 'real signatures pass, for those who verify behind the gate')
  t.match(signatures.headers.get('x-sealgate-verdict'), 'via="signature-artifact"')
  const mixed = sigManifest([signatureLayer(signer, payloadOf(image.digest, 'x'))])
  const layered = JSON.parse(mixed.manifest.bytes.toString())
  layered.layers.push({ mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: image.digest, size: 1 })
  registry.put('test', { manifest: blobOf(JSON.stringify(layered), OCI_MANIFEST), blobs: [] }, tag)
  t.equal((await pull(`test/manifests/${tag}`)).status, 403, 'one layer that could be run is enough')
  const twoFaced = mixed.manifest.bytes
    .toString()
    .replace('"layers":[{', '"layers":[{"MediaType":"application/vnd.oci.image.layer.v1.tar+gzip",')
  registry.put('test', { manifest: blobOf(twoFaced, OCI_MANIFEST), blobs: [] }, tag)
  t.ok((await pull(`test/manifests/${tag}`)).status >= 400, 'a layer that Go reads as another type')
  registry.put('test', { manifest: indexOf([evil]), blobs: [] }, tag)
  t.equal((await pull(`test/manifests/${tag}`)).status, 403, 'an index is none')
})

t.test('case 104: a file system that calls itself a signature is judged as the image that it is', async t => {
  const { registry, pull } = await scene(t)
  const content = Buffer.alloc(1024)
  const tag = sigTag(imageOf('other').manifest.digest)
  const put = (layers: readonly ReturnType<typeof blobOf>[]): string => {
    const config = blobOf('{"rootfs":{"type":"layers","diff_ids":[]}}', 'application/vnd.oci.image.config.v1+json')
    const describe = ({ mediaType, digest, size }: ReturnType<typeof blobOf>): object => ({ mediaType, digest, size })
    const text = JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: describe(config),
      layers: layers.map(describe),
    })
    return registry.put('test', { manifest: blobOf(text, OCI_MANIFEST), blobs: [config, ...layers] }, tag).digest
  }
  const types = [SIMPLE_SIGNING, 'text/spdx', 'application/vnd.dsse.envelope.v1+json']
  const table: readonly { readonly it: string; readonly bytes: Buffer; readonly status: number }[] = [
    { it: 'a document', bytes: Buffer.from('{"critical":{}}'), status: 200 },
    { it: 'a gzipped tar', bytes: gzipSync(content), status: 403 },
    { it: 'a tar', bytes: content, status: 403 },
    {
      it: 'a document of more than 16 MiB',
      bytes: Buffer.from(`{"a":"${'x'.repeat(16 * 1024 * 1024)}"}`),
      status: 403,
    },
  ]
  for (const { it, bytes, status } of table) {
    for (const type of types) {
      const digest = put([blobOf(bytes, type)])
      t.equal((await pull(`test/manifests/${tag}`)).status, status, `${it} as ${type}, by its tag`)
      t.equal((await pull(`test/manifests/${digest}`)).status, status, 'by digest')
    }
  }
  const document = blobOf('{"critical":{}}', SIMPLE_SIGNING)
  t.equal((await pull(`test/manifests/${put([document, blobOf(gzipSync(content), SIMPLE_SIGNING)])}`)).status, 403)
  const gone = blobOf('{"critical":{"gone":1}}', SIMPLE_SIGNING)
  const incomplete = put([gone])
  registry.blobs.delete(`test ${gone.digest}`)
  t.equal((await pull(`test/manifests/${incomplete}`)).status, 403, 'a layer that is missing')
  registry.on(/\/blobs\//, (_request, response) => (response.writeHead(500).end(), true))
  const unknown = put([blobOf('{"critical":{"other":1}}', SIMPLE_SIGNING)])
  t.equal((await pull(`test/manifests/${unknown}`)).status, 503, 'what cannot be read is not known to be a document')
})

t.test('case 123: a refused manifest does not leave by the blobs route, whole or in parts', async t => {
  const { registry, pull } = await scene(t)
  const refused = registry.put('test', imageOf('refused'), '1')
  registry.blobs.set(`test ${refused.digest}`, refused)
  const whole = await pull(`test/blobs/${refused.digest}`)
  t.equal(whole.status, 403)
  t.equal(whole.code, 'DENIED')
  for (const range of ['bytes=0-9', 'bytes=1-', `bytes=${refused.size - 10}-`]) {
    const part = await pull(`test/blobs/${refused.digest}`, { headers: { range } })
    t.equal(part.status, 403, range)
    t.notOk(refused.bytes.includes(part.body))
  }
})

t.test('blobs are streamed, in parts too, and with the digest they are asked for by', async t => {
  const { registry, pull } = await scene(t)
  const layer = blobOf(Buffer.alloc(300_000, 7))
  registry.blobs.set(`test ${layer.digest}`, layer)
  const whole = await pull(`test/blobs/${layer.digest}`)
  t.equal(whole.status, 200)
  t.ok(whole.body.equals(layer.bytes))
  t.equal(whole.headers.get('docker-content-digest'), layer.digest)
  const part = await pull(`test/blobs/${layer.digest}`, { headers: { range: 'bytes=10-19' } })
  t.equal(part.status, 206)
  t.equal(part.headers.get('content-range'), 'bytes 10-19/300000')
  t.equal(part.body.length, 10)
  const head = await pull(`test/blobs/${layer.digest}`, { method: 'HEAD' })
  t.equal(head.headers.get('content-length'), '300000')
  t.equal((await pull(`test/blobs/${blobOf('other').digest}`)).status, 404)
  registry.blobs.set(`test ${layer.digest}`, blobOf(Buffer.alloc(300_000, 8)))
  await t.rejects(pull(`test/blobs/${layer.digest}`), 'case 125: the wrong bytes never arrive whole')
})

t.test('case 130: a validator is no way round the verdict', async t => {
  const { registry, signer, pull } = await scene(t)
  const refused = registry.put('test', imageOf('refused'), 'bad')
  const good = registry.putSigned('test', 'good', signer, 'example.org')
  const validator = (digest: string): RequestInit => ({ headers: { 'if-none-match': `"${digest}"` } })
  t.equal((await pull('test/manifests/bad', validator(refused.digest))).status, 403)
  t.equal((await pull('test/manifests/good', validator(good.digest))).status, 304)
  t.equal((await pull('test/manifests/good', validator(refused.digest))).status, 200)
  const conditions: Readonly<Record<string, string>> = {
    'if-match': `"${refused.digest}"`,
    'if-modified-since': 'Fri, 01 Jan 2100 00:00:00 GMT',
    'if-unmodified-since': 'Thu, 01 Jan 1970 00:00:00 GMT',
    'if-range': `"${refused.digest}"`,
  }
  t.equal((await pull('test/manifests/good', { headers: conditions })).status, 200, 'others change nothing')
  t.equal((await pull('test/manifests/bad', { headers: conditions })).status, 403)
  for (const name of ['if-none-match', ...Object.keys(conditions)]) {
    t.ok(
      registry.headers.every(headers => headers[name] === undefined),
      `${name} never reaches the upstream`,
    )
  }
})

t.test('cases 127, 129: Accept and Range change nothing', async t => {
  const { registry, signer, pull } = await scene(t)
  const good = registry.putSigned('test', '1', signer, 'example.org')
  for (const headers of [
    { accept: 'text/html' },
    { accept: '*/*;q=0' },
    { accept: 'application/vnd.docker.distribution.manifest.v1+prettyjws' },
    { accept: Array(250).fill('application/vnd.a.b+json').join(', ').padEnd(8192) },
    { range: 'bytes=0-3' },
    { range: 'bytes=-3' },
    { range: 'bytes=0-1,4-5' },
    { 'accept-encoding': 'gzip' },
  ]) {
    const answer = await pull('test/manifests/1', { headers })
    t.equal(answer.status, 200)
    t.ok(answer.body.equals(good.bytes))
  }
  const asked = registry.headers.filter((_headers, index) => registry.requests[index]?.endsWith('/manifests/1'))
  t.equal(asked.length, 8)
  t.equal(new Set(asked.map(headers => headers.accept)).size, 1, 'the upstream is always asked the same')
  const docker = 'application/vnd.docker.distribution.manifest'
  const all = [OCI_INDEX, OCI_MANIFEST, `${docker}.list.v2+json`, `${docker}.v2+json`]
  t.same(asked[0]?.accept?.split(', ').sort(), all.sort(), 'all that can be verified, and nothing else')
  t.ok(registry.headers.every(headers => headers['accept-encoding'] === 'identity'))
})

t.test('case 152: what a client sends for us never reaches the upstream', async t => {
  const { registry, signer, pull } = await scene(t)
  registry.putSigned('test', '1', signer, 'example.org')
  await pull('test/manifests/1', {
    headers: { authorization: 'Basic c2VjcmV0OnNlY3JldA==', cookie: 'a=b', 'x-forwarded-host': 'evil.example' },
  })
  for (const headers of registry.headers) {
    t.equal(headers.authorization, undefined)
    t.equal(headers.cookie, undefined)
    t.equal(headers['x-forwarded-host'], undefined)
  }
})

t.test('section E: what two readers of HTTP could take differently is refused', async t => {
  const { registry, signer, url, pull } = await scene(t)
  registry.putSigned('test', '1', signer, 'example.org')
  t.equal((await pull('test/manifests/1')).status, 200)
  registry.requests.length = 0
  const get = 'GET /v2/test/manifests/1 HTTP/1.1\r\n'
  const table = [
    { it: 'absolute form (135)', text: 'GET http://169.254.169.254/v2/test/manifests/1 HTTP/1.1\r\nHost: a\r\n\r\n' },
    { it: 'two Host headers (137)', text: `${get}Host: a\r\nHost: b\r\n\r\n` },
    { it: 'no Host header', text: `${get}\r\n` },
    { it: 'HTTP/1.0', text: 'GET /v2/test/manifests/1 HTTP/1.0\r\nHost: a\r\n\r\n' },
    { it: 'an unknown transfer encoding (138)', text: `${get}Host: a\r\nTransfer-Encoding: xchunked\r\n\r\n` },
    {
      it: 'both lengths (138)',
      text: `${get}Host: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    },
    { it: 'a GET with a body (139)', text: `${get}Host: a\r\nContent-Length: 5\r\n\r\nhello` },
    { it: 'an escaped slash (133)', text: 'GET /v2/test%2fx/manifests/1 HTTP/1.1\r\nHost: a\r\n\r\n' },
    { it: 'dot segments (134)', text: 'GET /v2/other/../test/manifests/1 HTTP/1.1\r\nHost: a\r\n\r\n' },
    { it: 'escaped dot segments (134)', text: 'GET /v2/other/%2e%2e/test/manifests/1 HTTP/1.1\r\nHost: a\r\n\r\n' },
    { it: 'a bad escape', text: 'GET /v2/test/manifests/%zz HTTP/1.1\r\nHost: a\r\n\r\n' },
    { it: 'an empty segment (136)', text: 'GET /v2//test/manifests/1 HTTP/1.1\r\nHost: a\r\n\r\n' },
    { it: 'a backslash (136)', text: 'GET /v2/test\\x/manifests/1 HTTP/1.1\r\nHost: a\r\n\r\n' },
  ]
  for (const { it, text } of table) t.match(await raw(url, text), /^HTTP\/1\.1 (?:400|404) /, it)
  t.same(registry.requests, [], 'nothing of it reaches the upstream')
})

t.test('case 141: a header named __proto__ does no harm', async t => {
  const { registry, signer, url } = await scene(t)
  registry.putSigned('test', '1', signer, 'example.org')
  t.match(await raw(url, 'GET /v2/test/manifests/1 HTTP/1.1\r\nHost: a\r\n__proto__: x\r\n\r\n'), /^HTTP\/1\.1 200 /)
})

t.test('cases 61, 177, 203 and 217: a look-up that fails is never "no signature"', async t => {
  const { registry, pull, adminUrl } = await scene(t)
  registry.put('test', imageOf('unsigned'), '1')
  const places = [/\.sig$/, /\/referrers\//].flatMap(place =>
    [429, 500, 503, 401, 403].map(status => ({ place, status })),
  )
  for (const { place, status } of places) {
    registry.script = (request, response) => {
      if (!place.test(request.url ?? '')) return false
      response.writeHead(status).end()
      return true
    }
    const answer = await pull('test/manifests/1')
    t.equal(answer.status, 503, `${String(place)} answered ${status}`)
    t.equal(answer.code, 'UNAVAILABLE')
    t.match(answer.message, /^cannot verify example\.org\/test:1 now: /)
    t.ok(Number(answer.headers.get('retry-after')) > 0)
  }
  registry.script = () => false
  t.equal((await pull('test/manifests/1')).status, 403, 'and nothing of it is remembered')
  const metrics = (await (await fetch(`${adminUrl}/metrics`)).text()).split('\n')
  const failed = metrics.filter(line => line.startsWith('sealgate_upstream_seconds_count{host="example.org"'))
  for (const outcome of ['RATE_LIMITED', 'SERVER_ERROR', 'UNAUTHORIZED', 'FORBIDDEN'])
    t.ok(
      failed.some(line => line.includes(`outcome="${outcome}"`)),
      `${outcome} is counted`,
    )
})

t.test('case 58: an image that was copied to another repository with its signatures is not signed there', async t => {
  const identity = (signedIdentity: object | undefined) => (keyPath: string) => ({
    default: [{ type: 'reject' }],
    transports: { docker: { 'example.org': [{ type: 'sigstoreSigned', keyPath, signedIdentity }] } },
  })
  const rows = [
    { it: 'no signedIdentity', signedIdentity: undefined, status: 403 },
    { it: 'matchRepository', signedIdentity: { type: 'matchRepository' }, status: 403 },
    { it: 'matchRepoDigestOrExact', signedIdentity: { type: 'matchRepoDigestOrExact' }, status: 403 },
    {
      it: 'exactRepository',
      signedIdentity: { type: 'exactRepository', dockerRepository: 'example.org/copy' },
      status: 403,
    },
    // That it is the identity that refuses: the same copy, where the policy allows it.
    {
      it: 'exactRepository of the first',
      signedIdentity: { type: 'exactRepository', dockerRepository: 'example.org/test' },
      status: 200,
    },
  ]
  for (const { it, signedIdentity, status } of rows) {
    const { registry, signer, pull } = await scene(t, { policy: identity(signedIdentity) })
    for (const claim of ['example.org/test', 'example.org/test:1']) {
      const manifest = registry.put('copy', imageOf(claim), '1')
      registry.sign('copy', manifest, signer, claim)
      for (const name of ['1', manifest.digest]) {
        const answer = await pull(`copy/manifests/${name}`)
        t.equal(answer.status, status, `${it}: ${claim}, pulled by ${name}`)
        if (status === 403) t.match(answer.message, /example\.org\/test/, 'it says whose signature was found')
      }
    }
  }
})

t.test('cases 34, 54, 55: a broken signature beside a good one hides nothing, and counts for nothing', async t => {
  const { registry, signer, pull } = await scene(t)
  const brokenOnes = (good: AttachedLayer): readonly { readonly it: string; readonly layer: AttachedLayer }[] => [
    { it: 'no annotation', layer: { ...good, annotations: {} } },
    { it: 'not base64', layer: { ...good, annotations: { 'dev.cosignproject.cosign/signature': '&' } } },
    { it: 'about other bytes', layer: signatureLayer(signer, payloadOf(blobOf('other').digest, 'example.org/test')) },
    { it: 'no JSON', layer: signatureLayer(signer, Buffer.from('&')) },
    { it: 'an empty object', layer: signatureLayer(signer, Buffer.from('{}')) },
  ]
  // Each on an image of its own: an accepted verdict is remembered, whatever becomes of its signatures.
  const orders = [
    { order: 'alone', of: (broken: AttachedLayer) => [broken], status: 403 },
    { order: 'before a good one', of: (broken: AttachedLayer, good: AttachedLayer) => [broken, good], status: 200 },
    { order: 'after a good one', of: (broken: AttachedLayer, good: AttachedLayer) => [good, broken], status: 200 },
  ]
  for (const { order, of, status } of orders) {
    for (let row = 0; row < 5; row += 1) {
      const image = registry.put('test', imageOf(`${order} ${row}`), '1')
      const good = signatureLayer(signer, payloadOf(image.digest, 'example.org/test'))
      const broken = brokenOnes(good)[row]
      if (broken === undefined) throw new Error('no such row')
      registry.put('test', sigManifest(of(broken.layer, good)), sigTag(image.digest))
      t.equal((await pull('test/manifests/1')).status, status, `${broken.it}: ${order}`)
    }
  }
})

t.test('case 205: 200 clients at once on one cold image cost the upstream one request each', async t => {
  const { registry, signer, pull } = await scene(t, { config: { cache: { tags: 0, refused: 0 } } })
  const image = registry.putSigned('test', '1', signer, 'example.org')
  const answers = await Promise.all(Array.from({ length: 200 }, () => pull(`test/manifests/${image.digest}`)))
  t.ok(answers.every(answer => answer.status === 200))
  t.equal(registry.count(`manifests/${image.digest}`), 1)
  t.equal(registry.count('.sig'), 1)
})

t.test('case 215: a client that hangs up takes nobody else down', async t => {
  const { registry, signer, url, pull }: Scene = await scene(t)
  registry.putSigned('test', '1', signer, 'example.org')
  registry.script = (request, response) => {
    if (request.url?.endsWith('.sig') !== true) return false
    setTimeout(() => registry.handle(Object.assign(request, { url: `${request.url}` }), response), 150)
    registry.script = () => false
    return true
  }
  const leader = httpRequest(`${url}/v2/test/manifests/1`)
  leader.on('error', () => {})
  leader.end()
  setTimeout(() => leader.destroy(), 50)
  await new Promise(resolve => setTimeout(resolve, 20))
  t.equal((await pull('test/manifests/1')).status, 200)
})
