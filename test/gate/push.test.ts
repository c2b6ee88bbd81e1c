import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hashSync } from 'bcryptjs'
import t from 'tap'
import { temporaryDirectory } from '../support/gate.ts'
import { takePushes } from '../support/push-registry.ts'
import { raw } from '../support/raw-socket.ts'
import { blobOf, imageOf, OCI_MANIFEST, payloadOf, sigManifest, signatureLayer, sigTag } from '../support/signer.ts'
import { get, HOST, scene, type Answer, type Scene } from './scene.ts'

type Teardown = Parameters<typeof scene>[0]

/** A gate that passes pushes on, in front of a registry that takes them. */
async function pushScene(t: Teardown, settings: Readonly<Record<string, unknown>> = {}): Promise<Scene> {
  const made = await scene(t, {
    config: (url: string) => ({ registries: { [HOST]: { url, push: 'passthrough' } }, ...settings }),
  })
  takePushes(made.registry)
  return made
}

/** Pushes a blob as docker does: POST, PATCH, PUT. */
async function upload(
  url: string,
  repository: string,
  bytes: Buffer,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const begun = await get(`${url}/v2/${repository}/blobs/uploads/`, { method: 'POST', headers })
  t.equal(begun.status, 202)
  const patched = await get(new URL(begun.headers.get('location') ?? '', url).href, {
    method: 'PATCH',
    body: new Uint8Array(bytes),
    headers: { ...headers, 'content-type': 'application/octet-stream' },
  })
  t.equal(patched.status, 202)
  t.equal(patched.headers.get('range'), `0-${bytes.length - 1}`)
  const last = new URL(patched.headers.get('location') ?? '', url)
  last.searchParams.set('digest', blobOf(bytes).digest)
  return get(last.href, { method: 'PUT', headers })
}

function putManifest(url: string, name: string, bytes: Buffer, headers: Record<string, string> = {}): Promise<Answer> {
  const init = { method: 'PUT', body: new Uint8Array(bytes), headers: { ...headers, 'content-type': OCI_MANIFEST } }
  return get(`${url}/v2/${name}`, init)
}

t.test('an image is pushed through, refused, signed through, and then pulled', async t => {
  const { registry, signer, url, pull } = await pushScene(t)
  const image = imageOf('pushed')
  for (const blob of image.blobs) {
    const done = await upload(url, 'team/app', blob.bytes)
    t.equal(done.status, 201)
    t.equal(done.headers.get('location'), `/v2/team/app/blobs/${blob.digest}`)
    t.ok(registry.blobs.get(`team/app ${blob.digest}`)?.bytes.equals(blob.bytes), 'byte for byte')
  }
  t.equal((await pull('team/app/manifests/1')).status, 404, 'nothing there yet')
  const put = await putManifest(url, 'team/app/manifests/1', image.manifest.bytes)
  t.equal(put.status, 201)
  t.equal(put.headers.get('docker-content-digest'), image.manifest.digest, 'as computed here')
  t.equal(put.headers.get('location'), '/v2/team/app/manifests/1', 'the upstream’s own is not handed on')
  t.equal(put.headers.get('oci-subject'), 'sha256:abc')
  t.equal(put.headers.get('set-cookie'), null, 'nothing else is (case 165)')
  t.equal((await pull('team/app/manifests/1')).status, 403, 'what is pushed is not thereby accepted')

  const signatures = sigManifest([signatureLayer(signer, payloadOf(image.manifest.digest, `${HOST}/team/app`))])
  for (const blob of signatures.blobs) t.equal((await upload(url, 'team/app', blob.bytes)).status, 201)
  const signed = await putManifest(
    url,
    `team/app/manifests/${sigTag(image.manifest.digest)}`,
    signatures.manifest.bytes,
  )
  t.equal(signed.status, 201)
  const pulled = await pull('team/app/manifests/1')
  t.equal(pulled.status, 200, 'now it is signed')
  t.ok(pulled.body.equals(image.manifest.bytes))
})

t.test('a signature that is pushed counts at once, however long refusals are remembered', async t => {
  const { registry, signer, url, pull } = await pushScene(t, { cache: { tags: 60, refused: 30 } })
  const image = registry.put('test', imageOf('late'), '1')
  registry.put('other', imageOf('late'), '1')
  t.equal((await pull('test/manifests/1')).status, 403)
  t.equal((await pull('other/manifests/1')).status, 403)
  const signatures = sigManifest([signatureLayer(signer, payloadOf(image.digest, `${HOST}/test`))])
  for (const blob of signatures.blobs) await upload(url, 'test', blob.bytes)
  const put = await putManifest(url, `test/manifests/${sigTag(image.digest)}`, signatures.manifest.bytes)
  t.match(put, { status: 201, body: Buffer.alloc(0) })
  t.equal(put.headers.get('content-length'), '0')
  t.equal((await pull('test/manifests/1')).status, 200)
  t.equal((await pull('other/manifests/1')).status, 403, 'in that repository only')
})

t.test('what was under way when something was pushed is not believed afterwards', async t => {
  const { registry, signer, url, pull } = await pushScene(t, { cache: { tags: 60, refused: 30 } })
  /** Holds the registry's answer, which is what there was when it was asked, until it is let go. */
  const hold = (
    matches: RegExp,
    answer: { status: number; body: Buffer },
  ): { asked: Promise<void>; release: () => void } => {
    const asked = Promise.withResolvers<void>()
    const released = Promise.withResolvers<void>()
    let isHeld = true
    registry.on(matches, (_request, response) => {
      if (!isHeld) return false
      asked.resolve()
      void released.promise.then(() =>
        response.writeHead(answer.status, { 'content-type': OCI_MANIFEST }).end(answer.body),
      )
      return true
    })
    return {
      asked: asked.promise,
      release: () => {
        isHeld = false
        released.resolve()
      },
    }
  }
  const old = registry.putSigned('test', '1', signer, HOST)
  const tag = hold(/^GET \/v2\/test\/manifests\/1$/, { status: 200, body: old.bytes })
  const early = pull('test/manifests/1')
  await tag.asked
  const fresh = imageOf('fresh').manifest
  registry.sign('test', fresh, signer, `${HOST}/test`)
  registry.manifests.set(`test ${fresh.digest}`, fresh)
  const put = putManifest(url, 'test/manifests/1', fresh.bytes)
  t.equal((await put).status, 201)
  setTimeout(tag.release, 50)
  t.ok((await early).body.equals(old.bytes), 'who asked before gets what there was')
  t.ok((await pull('test/manifests/1')).body.equals(fresh.bytes), 'a tag: who asks afterwards gets what there is')

  const image = registry.put('late', imageOf('late'), '1')
  const missing = hold(new RegExp(`^GET /v2/late/manifests/${sigTag(image.digest)}$`), {
    status: 404,
    body: Buffer.alloc(0),
  })
  const refused = pull('late/manifests/1')
  await missing.asked
  const signatures = sigManifest([signatureLayer(signer, payloadOf(image.digest, `${HOST}/late`))])
  for (const blob of signatures.blobs) await upload(url, 'late', blob.bytes)
  const name = `late/manifests/${sigTag(image.digest)}`
  t.equal((await putManifest(url, name, signatures.manifest.bytes)).status, 201)
  missing.release()
  t.equal((await refused).status, 403)
  t.equal((await pull('late/manifests/1')).status, 200, 'a refusal: it is not remembered')
})

t.test('a new push of a tag counts at once, however long tags are believed', async t => {
  const { signer, registry, url, pull } = await pushScene(t, { cache: { tags: 60, refused: 0 } })
  const old = registry.putSigned('test', '1', signer, HOST)
  t.ok((await pull('test/manifests/1')).body.equals(old.bytes))
  const fresh = imageOf('fresh').manifest
  registry.sign('test', fresh, signer, `${HOST}/test`)
  t.equal((await putManifest(url, 'test/manifests/1', fresh.bytes)).status, 201)
  t.ok((await pull('test/manifests/1')).body.equals(fresh.bytes))
  t.equal((await get(`${url}/v2/test/manifests/1`, { method: 'DELETE' })).status, 202)
  t.equal((await pull('test/manifests/1')).status, 404, 'so does a deletion')
})

t.test('case 178: what is deleted from one repository is gone there, though another has it still', async t => {
  const { signer, registry, url, pull } = await pushScene(t, { cache: { tags: 60, refused: 0 } })
  const { digest } = registry.putSigned('a', '1', signer, HOST)
  registry.sign('b', registry.put('b', imageOf('a:1'), '1'), signer, `${HOST}/b`)
  for (const name of ['a', 'b']) t.equal((await pull(`${name}/manifests/${digest}`)).status, 200, name)
  t.equal((await get(`${url}/v2/a/manifests/${digest}`, { method: 'DELETE' })).status, 202)
  for (let round = 0; round < 2; round += 1) {
    t.equal((await pull(`b/manifests/${digest}`)).status, 200)
    t.equal((await pull(`a/manifests/${digest}`)).status, 404)
  }
})

t.test('every step of an upload', async t => {
  const { registry, url } = await pushScene(t)
  const bytes = Buffer.alloc(300_000, 5)
  const { digest } = blobOf(bytes)
  const at = (path: string, init: RequestInit): Promise<Answer> => get(`${url}/v2/${path}`, init)
  const body = new Uint8Array(bytes)
  const one = await at(`a/blobs/uploads/?digest=${digest}`, { method: 'POST', body })
  t.equal(one.status, 201, 'in one request')
  t.ok(registry.blobs.get(`a ${digest}`)?.bytes.equals(bytes))

  const mounted = await at(`b/blobs/uploads/?mount=${digest}&from=a`, { method: 'POST' })
  t.match(
    { status: mounted.status, location: mounted.headers.get('location') },
    { status: 201, location: `/v2/b/blobs/${digest}` },
  )
  const named = await at(`${HOST}/c/blobs/uploads/?mount=${digest}&from=${HOST}/a`, { method: 'POST' })
  t.equal(named.status, 201, 'named as the client names repositories')
  t.ok(registry.requests.includes(`POST /v2/c/blobs/uploads/?mount=${digest.replace(':', '%3A')}&from=a`))
  for (const from of ['other.example/a', '../a', 'a%0d%0a']) {
    const answer = await at(`d/blobs/uploads/?mount=${digest}&from=${from}`, { method: 'POST' })
    t.equal(answer.status, 202, `from ${from}: just an upload`)
    t.equal(registry.requests.at(-1), 'POST /v2/d/blobs/uploads/')
  }

  const begun = await at('e/blobs/uploads/', { method: 'POST' })
  const location = new URL(begun.headers.get('location') ?? '', url).href
  t.match(begun.headers.get('location'), /^\/v2\/e\/blobs\/uploads\/[A-Za-z0-9_-]+$/)
  t.notMatch(Buffer.from(location.split('/').at(-1) ?? '', 'base64url').toString('latin1'), /secret|uploads/, 'sealed')
  t.equal((await get(location, {})).status, 204, 'status')
  t.equal((await get(location, { method: 'PUT' })).code, 'DIGEST_INVALID', 'an end without a digest')
  t.equal((await get(`${location}?digest=sha256:1`, { method: 'PUT' })).code, 'DIGEST_INVALID')
  t.equal((await get(`${location}?digest=${digest}`, { method: 'PUT', body })).status, 201, 'all of it with the end')
  const cancelled = new URL((await at('e/blobs/uploads/', { method: 'POST' })).headers.get('location') ?? '', url).href
  t.equal((await get(cancelled, { method: 'DELETE' })).status, 204, 'cancelled')
  t.equal((await get(cancelled, { method: 'PATCH', body })).status, 404, 'and gone')
  t.equal((await at(`a/blobs/${digest}`, { method: 'DELETE' })).status, 202)
})

t.test('an upload’s token is of this gate and for one repository (section 7.6)', async t => {
  const { registry, url } = await pushScene(t)
  const begun = await get(`${url}/v2/a/blobs/uploads/`, { method: 'POST' })
  const token = begun.headers.get('location')?.split('/').at(-1) ?? ''
  registry.requests.length = 0
  const flipped = Buffer.from(token, 'base64url')
  flipped[20] = (flipped[20] ?? 0) ^ 1
  const table: readonly { it: string; path: string }[] = [
    { it: 'of another repository', path: `b/blobs/uploads/${token}` },
    { it: 'changed', path: `a/blobs/uploads/${flipped.toString('base64url')}` },
    { it: 'made up', path: `a/blobs/uploads/${Buffer.from('/v2/x/blobs/uploads/1').toString('base64url')}` },
    { it: 'short', path: 'a/blobs/uploads/AAAA' },
  ]
  for (const { it, path } of table) {
    const answer = await get(`${url}/v2/${path}`, { method: 'PATCH', body: 'x' })
    t.match(answer, { status: 404, code: 'BLOB_UPLOAD_UNKNOWN' }, it)
  }
  t.same(registry.requests, [], 'nothing of it reached the upstream')
})

t.test('an upload goes on at the registry itself and nowhere else (case 169)', async t => {
  const { registry, url } = await pushScene(t)
  const table: readonly { location: string; status: number }[] = [
    { location: 'https://evil.example/v2/a/blobs/uploads/1', status: 502 },
    { location: 'http://169.254.169.254/latest', status: 502 },
    { location: '//evil.example/x', status: 502 },
    { location: 'http://user:password@127.0.0.1/x', status: 502 },
    { location: registry.url.replace('//', '//user:password@'), status: 502 },
    { location: 'http://[', status: 502 },
  ]
  for (const { location, status } of table) {
    registry.on(/^POST /, (_request, response) => {
      response.writeHead(202, { location }).end()
      return true
    })
    const answer = await get(`${url}/v2/a/blobs/uploads/`, { method: 'POST' })
    t.equal(answer.status, status, location)
    t.equal(answer.headers.get('location'), null)
  }
  registry.on(/^POST /, (_request, response) => {
    response.writeHead(202, { location: `${registry.url}//evil.example/x` }).end()
    return true
  })
  const begun = await get(`${url}/v2/a/blobs/uploads/`, { method: 'POST' })
  registry.requests.length = 0
  await get(new URL(begun.headers.get('location') ?? '', url).href, {})
  t.same(registry.requests, ['GET //evil.example/x'], 'a path that begins like a host is still a path')
})

t.test('cases 137, 138: a body in any transfer encoding but chunked reaches no registry', async t => {
  const { registry, url } = await pushScene(t)
  const send = (headers: string, body: string): Promise<string> =>
    raw(url, `POST /v2/a/blobs/uploads/ HTTP/1.1\r\nhost: gate\r\n${headers}\r\n\r\n${body}`)
  const chunk = '1\r\nx\r\n0\r\n\r\n'
  for (const encoding of [
    'gzip, chunked',
    'identity, chunked',
    'xchunked',
    'chunked, identity',
    'identity',
    '"chunked"',
  ]) {
    t.match(await send(`transfer-encoding: ${encoding}`, chunk), /^HTTP\/1\.1 400 /, encoding)
  }
  t.match(
    await send('transfer-encoding: chunked\r\ncontent-length: 1', chunk),
    /^HTTP\/1\.1 400 /,
    'and a length besides',
  )
  t.same(registry.requests, [])
  t.match(await send('transfer-encoding: chunked', chunk), /^HTTP\/1\.1 202 /, 'chunked itself is taken')
})

t.test('what the registry says of a push is handed on in its words', async t => {
  const { registry, url } = await pushScene(t)
  const table: readonly { upstream: number; code: string; status: number; says: string }[] = [
    { upstream: 400, code: 'MANIFEST_BLOB_UNKNOWN', status: 400, says: 'MANIFEST_BLOB_UNKNOWN' },
    { upstream: 404, code: 'NAME_UNKNOWN', status: 404, says: 'NAME_UNKNOWN' },
    { upstream: 405, code: 'UNSUPPORTED', status: 405, says: 'UNSUPPORTED' },
    { upstream: 413, code: 'SOMETHING_OWN', status: 413, says: 'UNKNOWN' },
    { upstream: 403, code: 'DENIED', status: 403, says: 'DENIED' },
    { upstream: 429, code: 'TOOMANYREQUESTS', status: 429, says: 'TOOMANYREQUESTS' },
    { upstream: 500, code: 'UNKNOWN', status: 503, says: 'UNAVAILABLE' },
  ]
  for (const { upstream, code, status, says } of table) {
    registry.on(/^PUT /, (request, response) => {
      request.resume()
      response.writeHead(upstream).end(JSON.stringify({ errors: [{ code, message: 'because' }] }))
      return true
    })
    const answer = await putManifest(url, 'a/manifests/1', imageOf('x').manifest.bytes)
    t.match(answer, { status, code: says }, `${upstream} ${code}`)
    t.match(answer.message, /because/)
  }
})

t.test('a manifest that could never be pulled is not passed on', async t => {
  const { registry, url } = await pushScene(t)
  const limit = 4 * 1024 * 1024
  const answer = await putManifest(url, 'a/manifests/1', Buffer.alloc(limit + 1, 0x20)).catch(() => undefined)
  t.ok(answer === undefined || answer.status === 413)
  t.equal(registry.count('manifests/1'), 0)
  t.equal((await putManifest(url, 'a/manifests/1', Buffer.alloc(limit, 0x20))).status, 201, 'one byte less is')
})

t.test('a registry without passthrough is not pushed to, though another is', async t => {
  const { registry, url } = await scene(t, {
    config: (upstream: string) => ({
      registries: { [HOST]: { url: upstream }, 'team.example': { url: upstream, push: 'passthrough' } },
    }),
  })
  takePushes(registry)
  for (const [method, path] of [
    ['PUT', 'test/manifests/1'],
    ['DELETE', 'test/manifests/1'],
    ['POST', 'test/blobs/uploads/'],
    ['PATCH', 'test/blobs/uploads/AAAA'],
    ['DELETE', `test/blobs/sha256:${'a'.repeat(64)}`],
    ['PUT', 'test/tags/list'],
    ['POST', ''],
  ] as const) {
    t.match(await get(`${url}/v2/${path}`, { method }), { status: 405, code: 'UNSUPPORTED' }, `${method} ${path}`)
  }
  t.same(registry.requests, [])
  t.equal((await get(`${url}/v2/team.example/a/blobs/uploads/`, { method: 'POST' })).status, 202)
})

t.test('who may push, and who may read what is not signed yet', async t => {
  const file = join(temporaryDirectory(t), 'htpasswd')
  writeFileSync(file, ['ann', 'bob'].map(name => `${name}:${hashSync(`${name}-pw`, 4)}\n`).join(''))
  const { registry, url, adminUrl } = await scene(t, {
    config: (upstream: string) => ({
      registries: { [HOST]: { url: upstream, push: 'passthrough', pushers: ['ann'] } },
      auth: { kind: 'htpasswd', file },
    }),
  })
  takePushes(registry)
  const as = (name: string): Record<string, string> => ({
    authorization: `Basic ${Buffer.from(`${name}:${name}-pw`).toString('base64')}`,
  })
  const image = imageOf('unsigned').manifest
  t.equal((await putManifest(url, 'a/manifests/1', image.bytes)).status, 401, 'nobody without a login')
  t.match(await putManifest(url, 'a/manifests/1', image.bytes, as('bob')), { status: 403, code: 'DENIED' }, 'bob')
  t.equal(registry.count('manifests/1'), 0)
  t.equal((await putManifest(url, 'a/manifests/1', image.bytes, as('ann'))).status, 201, 'ann')

  const hers = await get(`${url}/v2/a/manifests/1`, { headers: as('ann') })
  t.equal(hers.status, 200, 'ann reads what she is to sign')
  t.match(hers.headers.get('warning'), /served to a pusher only: blocked by image policy/)
  t.match(hers.headers.get('x-sealgate-verdict'), /^pusher; /)
  await get(`${url}/v2/a/manifests/1`, { method: 'HEAD', headers: as('ann') })
  for (const name of ['1', image.digest]) {
    t.equal((await get(`${url}/v2/a/manifests/${name}`, { headers: as('bob') })).status, 403, `bob is refused ${name}`)
  }
  t.match(await (await fetch(`${adminUrl}/metrics`)).text(), /sealgate_verdicts_total\{verdict="pusher"[^}]*\} 2/)
})

t.test('pushers need names to be known by', async t => {
  await t.rejects(
    scene(t, {
      config: (url: string) => ({ registries: { [HOST]: { url, push: 'passthrough', pushers: ['ann'] } } }),
    }),
    /pushers: users have no names here/,
  )
  await t.rejects(
    scene(t, { config: (url: string) => ({ registries: { [HOST]: { url, pushers: ['ann'] } } }) }),
    /is about "push: passthrough"/,
  )
})

t.test('a token is asked for what the request does, before its body is sent', async t => {
  const { registry, url } = await pushScene(t)
  const scopes: string[] = []
  registry.on(/ /, (request, response) => {
    const target = new URL(request.url ?? '', registry.url)
    if (target.pathname === '/token') {
      scopes.push(target.searchParams.getAll('scope').join(' '))
      response.end(
        JSON.stringify({
          token: createHash('sha256')
            .update(scopes.at(-1) ?? '')
            .digest('hex'),
        }),
      )
      return true
    }
    if (request.headers.authorization !== undefined) return false
    request.resume()
    response.writeHead(401, { 'www-authenticate': `Bearer realm="${registry.url}/token",service="s"` }).end()
    return true
  })
  const bytes = Buffer.alloc(200_000, 9)
  const { digest } = blobOf(bytes)
  const body = new Uint8Array(bytes)
  const one = await get(`${url}/v2/a/blobs/uploads/?digest=${digest}`, { method: 'POST', body })
  t.equal(one.status, 201, 'the first request of all carries a body')
  t.ok(registry.blobs.get(`a ${digest}`)?.bytes.equals(bytes))
  await get(`${url}/v2/b/blobs/uploads/?mount=${digest}&from=a`, { method: 'POST' })
  await get(`${url}/v2/a/blobs/${digest}`, { method: 'DELETE' })
  t.same(scopes, ['repository:a:pull,push', 'repository:b:pull,push repository:a:pull', 'repository:a:delete'])
})

t.test('who pushes is told whether the registry keeps the list of referrers', async t => {
  // Told 200 for a registry that does not, go-containerregistry (cosign 3) writes no fallback tag, and its signature is lost.
  const table: readonly { it: string; push: string; hasApi: boolean; status: number }[] = [
    { it: 'it does', push: 'passthrough', hasApi: true, status: 200 },
    { it: 'it does not: the client has to write the fallback tag', push: 'passthrough', hasApi: false, status: 404 },
    {
      it: 'it does not, and nobody pushes: the fallback tag is read for them',
      push: 'deny',
      hasApi: false,
      status: 200,
    },
  ]
  for (const { it, push, hasApi, status } of table) {
    await t.test(it, async t => {
      const config = (url: string): Readonly<Record<string, unknown>> => ({ registries: { [HOST]: { url, push } } })
      const { registry, signer, pull } = await scene(t, { config })
      registry.hasReferrersApi = hasApi
      const { digest } = registry.putSigned('test', '1', signer, HOST)
      t.equal((await pull(`test/referrers/${digest}`)).status, status)
    })
  }
})
