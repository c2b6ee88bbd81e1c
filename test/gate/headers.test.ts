import { request, type IncomingHttpHeaders } from 'node:http'
import { buffer } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { answer } from '../support/faults.ts'
import { takePushes } from '../support/push-registry.ts'
import { basicGuard } from '../support/registry-guard.ts'
import { imageOf, OCI_MANIFEST } from '../support/signer.ts'
import { HOST, scene } from './scene.ts'

/** What is passed on of headers, either way: nothing that is not listed here. */

type Headers = Readonly<Record<string, string>>
type Answered = { readonly status: number; readonly headers: IncomingHttpHeaders; readonly body: Buffer }

const READER = { username: 'reader', password: 's3cret' }

/** Sends headers as they are given: fetch would keep some of them back. */
async function ask(url: string, headers: Headers, method = 'GET', body = ''): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, agent: false }, response => {
      const { statusCode: status = 0, headers: answered } = response
      buffer(response).then(bytes => resolve({ status, headers: answered, body: bytes }), reject)
    })
    sent.once('error', reject)
    sent.end(body)
  })
}

/** Each of them makes some proxy leave out a header of its own, hand one on, or ask for something else. */
const FROM_A_CLIENT: Headers = {
  connection: 'close, authorization, accept, accept-encoding, content-type, host, x-forwarded-for',
  'keep-alive': 'timeout=1',
  'proxy-connection': 'authorization',
  'proxy-authorization': 'Basic cHJveHk6cHJveHk=',
  authorization: 'Basic Y2xpZW50OmNsaWVudA==',
  te: 'trailers',
  expect: '100-continue',
  accept: 'text/html',
  'accept-encoding': 'gzip',
  'accept-language': 'en',
  'cache-control': 'no-cache',
  cookie: 'a=b',
  forwarded: 'for=192.0.2.1;host=evil.example',
  'if-modified-since': 'Thu, 01 Jan 1970 00:00:00 GMT',
  'if-none-match': '"x"',
  'if-range': '"x"',
  'oci-namespace': 'evil.example',
  origin: 'http://evil.example',
  referer: 'http://evil.example/',
  traceparent: `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`,
  'user-agent': 'evil/1',
  via: '1.1 evil',
  'x-forwarded-for': '192.0.2.1',
  'x-forwarded-host': 'evil.example',
  'x-http-method-override': 'DELETE',
  'x-original-url': '/v2/evil/manifests/1',
  'x-real-ip': '192.0.2.1',
}

/** What the registry was asked while an image was pulled in all ways there are, with these headers from the client. */
async function askedWhile(t: Test, headers: Headers): Promise<readonly string[]> {
  const { registry, signer, url } = await scene(t, {
    config: upstream => ({ registries: { [HOST]: { url: upstream, ...READER } } }),
  })
  registry.guard = basicGuard(READER)
  const { digest } = registry.putSigned('test', '1', signer, HOST)
  const blob = [...registry.blobs.keys()][0]?.split(' ')[1] ?? ''
  for (const [method, name] of [
    ['GET', 'manifests/1'],
    ['HEAD', 'manifests/1'],
    ['GET', `manifests/${digest}`],
    ['GET', `blobs/${blob}`],
    ['HEAD', `blobs/${blob}`],
    ['GET', 'tags/list'],
    ['GET', `referrers/${digest}`],
  ] as const)
    t.equal((await ask(`${url}/v2/test/${name}`, headers, method)).status, 200, `${method} ${name}`)
  const { host } = new URL(registry.url)
  return registry.requests
    .map((line, index) => `${line} ${JSON.stringify(registry.headers[index])}`.replaceAll(host, 'registry'))
    .toSorted()
}

t.test('case 140: no header of a client’s reaches a registry, nor keeps one of ours from it', async t => {
  const plain = await askedWhile(t, {})
  t.ok(plain.length > 8, `${plain.length} requests`)
  t.same(await askedWhile(t, FROM_A_CLIENT), plain, 'the registry sees no difference')
  const ours = ['host', 'connection', 'accept', 'accept-encoding', 'authorization']
  for (const line of plain) {
    const names = Object.keys(JSON.parse(line.slice(line.indexOf('{'))))
    t.same(
      names.filter(name => !ours.includes(name)),
      [],
      line,
    )
  }
})

t.test('case 153: an answer says which registry ?ns= was taken to mean', async t => {
  const { registry, signer, url } = await scene(t)
  registry.hasReferrersApi = true
  const { digest } = registry.putSigned('test', '1', signer, HOST)
  registry.put('test', imageOf('unsigned'), 'unsigned')
  const blob = [...registry.blobs.keys()][0]?.split(' ')[1] ?? ''
  const table: readonly { readonly name: string; readonly status: number; readonly method?: string }[] = [
    { name: 'manifests/1', status: 200 },
    { name: 'manifests/1', status: 200, method: 'HEAD' },
    { name: `manifests/${digest}`, status: 200 },
    { name: 'manifests/unsigned', status: 403 },
    { name: 'manifests/none', status: 404 },
    { name: `blobs/${blob}`, status: 200 },
    { name: 'tags/list', status: 200 },
    { name: `referrers/${digest}`, status: 200 },
  ]
  for (const { name, status, method } of table) {
    for (const [query, said] of [
      [`?ns=${HOST}`, HOST],
      ['?ns=Example.ORG', 'Example.ORG'],
      ['', undefined],
    ] as const) {
      const answered = await ask(`${url}/v2/test/${name}${query}`, {}, method)
      t.same([answered.status, answered.headers['oci-namespace']], [status, said], `${name}${query}`)
    }
  }
  for (const ns of ['evil.example', 'example.org%0d%0aX-Evil:1', 'example.org&ns=evil.example']) {
    const { status, headers } = await ask(`${url}/v2/test/manifests/1?ns=${ns}`, {})
    t.ok(status === 400 || status === 403, ns)
    t.equal(headers['oci-namespace'], undefined, 'and nothing where it means none')
  }
})

async function pushScene(t: Test): Promise<Awaited<ReturnType<typeof scene>>> {
  const made = await scene(t, {
    config: upstream => ({ registries: { [HOST]: { url: upstream, push: 'passthrough', ...READER } } }),
  })
  made.registry.guard = basicGuard(READER)
  takePushes(made.registry)
  made.registry.on(/^PUT /, (incoming, response) => made.registry.guard(incoming, response))
  return made
}

t.test('cases 140, 162: of what is pushed, the body and what it is are passed on', async t => {
  const { registry, url } = await pushScene(t)
  const { bytes } = imageOf('pushed').manifest
  const headers = { ...FROM_A_CLIENT, 'content-type': OCI_MANIFEST, 'content-encoding': 'identity' }
  t.equal((await ask(`${url}/v2/test/manifests/1`, headers, 'PUT', bytes.toString())).status, 201)
  const { host } = new URL(registry.url)
  t.same(registry.headers.at(-1), {
    host,
    connection: 'keep-alive',
    authorization: `Basic ${Buffer.from(`${READER.username}:${READER.password}`).toString('base64')}`,
    'content-type': OCI_MANIFEST,
    'content-length': String(bytes.length),
  })
})

t.test('case 147: what a body is called decides nothing', async t => {
  const { registry, url } = await pushScene(t)
  const { url: readOnly, adminUrl } = await scene(t)
  const broken = '{"a":'
  const types = [
    'application/json',
    'application/json;charset=utf-8',
    'application/json ; charset',
    '\tapplication/json',
    ' application/json',
    'application/jsonx',
    'APPLICATION/JSON',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'text/plain',
    OCI_MANIFEST,
  ]
  for (const [index, type] of types.entries()) {
    const headers = { 'content-type': type }
    t.equal((await ask(`${url}/v2/test/manifests/${index}`, headers, 'PUT', broken)).status, 201, type)
    t.equal(registry.manifests.get(`test ${index}`)?.bytes.toString(), broken, 'passed on as it is, and not read')
    t.equal((await ask(`${readOnly}/v2/test/manifests/1`, headers, 'PUT', broken)).status, 405, 'or not taken at all')
    for (const path of ['healthz', 'readyz', 'metrics', 'explain/x'])
      t.equal((await ask(`${adminUrl}/${path}`, headers, 'POST', broken)).status, 404, `POST /${path}`)
  }
  registry.requests.length = 0
  for (const type of ['application/json\ta', 'application/json garbage', 'application/json\u00e9', 'a b', 'json']) {
    const { status, body } = await ask(`${url}/v2/test/manifests/1`, { 'content-type': type }, 'PUT', broken)
    t.same([status, JSON.parse(body.toString()).errors[0].code], [415, 'UNSUPPORTED'], JSON.stringify(type))
  }
  t.same(registry.requests, [], 'what is no type at all is the client’s mistake, and goes nowhere')
})

/** Each says something of the registry's that is not the gate's to say; all have `evil` in them. */
const FROM_A_REGISTRY: Headers = {
  'access-control-allow-origin': 'http://evil.example',
  age: 'evil',
  'alt-svc': 'h2="evil.example:443"',
  'cache-control': 'evil',
  'clear-site-data': '"evil"',
  'content-disposition': 'attachment; filename=evil',
  'content-location': '/evil',
  'docker-content-digest': 'evil',
  'docker-distribution-api-version': 'evil',
  etag: '"evil"',
  link: '<http://evil.example/>; rel="next"',
  location: 'http://evil.example/',
  'oci-subject': 'evil',
  'proxy-authenticate': 'Basic realm="evil"',
  refresh: '0; url=http://evil.example/',
  'retry-after': 'evil',
  server: 'evil',
  'set-cookie': 'evil=1',
  'strict-transport-security': 'max-age=1; evil',
  upgrade: 'evil',
  vary: 'evil',
  via: '1.1 evil',
  warning: '299 - "evil"',
  'www-authenticate': 'Basic realm="evil"',
  'x-evil': 'evil',
  'x-sealgate-verdict': 'evil',
}

/** Of any answer of the gate's. */
const TO_A_CLIENT: ReadonlySet<string> = new Set([
  'accept-ranges',
  'connection',
  'content-length',
  'content-range',
  'content-type',
  'date',
  'docker-content-digest',
  'docker-distribution-api-version',
  'etag',
  'keep-alive',
  'link',
  'oci-filters-applied',
  'retry-after',
  'x-sealgate-verdict',
])

t.test('case 165: no header of a registry’s reaches a client as it is', async t => {
  const table: readonly { it: string; name: string; status: number; upstream?: number; range?: string }[] = [
    { it: 'a manifest', name: 'manifests/1', status: 200 },
    { it: 'a refused one', name: 'manifests/unsigned', status: 403 },
    { it: 'a blob', name: 'blobs/BLOB', status: 200 },
    { it: 'a part of it', name: 'blobs/BLOB', status: 206, range: 'bytes=0-1' },
    { it: 'none of it', name: 'blobs/BLOB', status: 416, range: 'bytes=9999-' },
    { it: 'tags, of which there are more', name: 'tags/list?n=1', status: 200 },
    { it: 'referrers', name: 'referrers/DIGEST?artifactType=x', status: 200 },
    { it: 'no manifest', name: 'manifests/none', status: 404 },
    { it: 'a manifest elsewhere', name: 'manifests/1', status: 502, upstream: 307 },
    { it: 'a blob elsewhere', name: 'blobs/BLOB', status: 502, upstream: 307 },
    { it: 'a login', name: 'manifests/1', status: 401, upstream: 401 },
    { it: 'no right to it', name: 'manifests/1', status: 403, upstream: 403 },
    { it: 'too many requests', name: 'manifests/1', status: 429, upstream: 429 },
    { it: 'a failure', name: 'manifests/1', status: 503, upstream: 500 },
  ]
  for (const { it, name, status, upstream, range } of table) {
    const { registry, signer, url } = await scene(t)
    registry.hasReferrersApi = true
    const { digest } = registry.putSigned('test', '1', signer, HOST)
    const blob = [...registry.blobs.keys()][0]?.split(' ')[1] ?? ''
    registry.put('test', imageOf('unsigned'), 'unsigned')
    registry.on(/./, (incoming, response) => {
      for (const [header, value] of Object.entries(FROM_A_REGISTRY)) response.setHeader(header, value)
      // Where a list of referrers goes on elsewhere is case 64, and no answer at all.
      if (incoming.url?.includes('/referrers/') === true) response.removeHeader('link')
      return upstream === undefined ? false : answer(upstream)(incoming, response)
    })
    const path = name.replace('BLOB', blob).replace('DIGEST', digest)
    const answered = await ask(`${url}/v2/test/${path}`, range === undefined ? {} : { range })
    t.equal(answered.status, status, it)
    t.same(
      Object.keys(answered.headers).filter(header => !TO_A_CLIENT.has(header)),
      [],
      `${it}: no other headers`,
    )
    t.notMatch(JSON.stringify(answered.headers), 'evil', `${it}: nor what it says in those`)
  }
})
