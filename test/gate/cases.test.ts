import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { mirroredSignature } from '../support/ecdsa.ts'
import { answer } from '../support/faults.ts'
import { temporaryDirectory } from '../support/gate.ts'
import {
  blobOf,
  ecdsaSigner,
  imageOf,
  indexOf,
  OCI_MANIFEST,
  payloadOf,
  sigManifest,
  signatureLayer,
  sigTag,
  type AttachedLayer,
  type Blob,
  type Signer,
} from '../support/signer.ts'
import { HOST, scene, signedPolicy } from './scene.ts'

/** Cases of the attack list that are about the whole of a pull, by number. */

t.test('cases 41, 42 and 54: an annotation that is not the signature as cosign writes it', async t => {
  const { registry, signer, pull } = await scene(t)
  const NAME = 'dev.cosignproject.cosign/signature'
  const good = (digest: string): AttachedLayer => signatureLayer(signer, payloadOf(digest, `${HOST}/test`))
  const table: readonly { it: string; of: (text: string) => unknown; status: number }[] = [
    { it: 'as it is', of: text => text, status: 200 },
    { it: 'a newline after it, which Go passes over', of: text => `${text}\n`, status: 200 },
    {
      it: 'broken into lines of CR and LF, as Go',
      of: text => `${text.slice(0, 40)}\r\n${text.slice(40)}\r\n`,
      status: 200,
    },
    { it: 'with more padding', of: text => `${text}=`, status: 403 },
    { it: 'without its last character', of: text => text.slice(0, -1), status: 403 },
    { it: 'no base64', of: () => '&', status: 403 },
    { it: 'a list of it', of: text => [text], status: 403 },
    { it: 'null', of: () => null, status: 403 },
    { it: 'a space before it', of: text => ` ${text}`, status: 403 },
    { it: 'broken into lines, as Go', of: text => `${text.slice(0, 40)}\n${text.slice(40)}`, status: 200 },
    { it: 'a tab in it', of: text => `${text.slice(0, 40)}\t${text.slice(40)}`, status: 403 },
    { it: 'absent', of: () => undefined, status: 403 },
    { it: 'empty', of: () => '', status: 403 },
    { it: 'a number', of: () => 1, status: 403 },
    { it: 'a megabyte', of: () => 'AAAA'.repeat(256 * 1024), status: 403 },
  ]
  for (const [index, { it, of, status }] of table.entries()) {
    const tag = String(index)
    const image = registry.put('test', imageOf(it), tag)
    const layer = good(image.digest)
    const made = sigManifest([layer])
    const document = JSON.parse(made.manifest.bytes.toString())
    document.layers[0].annotations[NAME] = of(layer.annotations[NAME] ?? '')
    const manifest = blobOf(JSON.stringify(document), OCI_MANIFEST)
    registry.put('test', { manifest, blobs: made.blobs }, sigTag(image.digest))
    t.equal((await pull(`test/manifests/${tag}`)).status, status, it)
  }
})

t.test('case 38: an annotation by the name of __proto__ is one like any other', async t => {
  const { registry, signer, pull } = await scene(t)
  const image = registry.put('test', imageOf('a'), '1')
  const layer = signatureLayer(signer, payloadOf(image.digest, `${HOST}/test`))
  const written = JSON.stringify(layer.annotations)
  const table: readonly { it: string; annotations: string; status: number }[] = [
    { it: 'the signature is inherited', annotations: `{"__proto__":${written}}`, status: 403 },
    { it: 'others beside it', annotations: written.replace('{', '{"__proto__":"x","constructor":"x",'), status: 200 },
  ]
  for (const { it, annotations, status } of table) {
    const made = sigManifest([layer])
    const text = made.manifest.bytes.toString().replace(written, annotations)
    registry.put('test', { ...made, manifest: blobOf(text, OCI_MANIFEST) }, sigTag(image.digest))
    t.equal((await pull('test/manifests/1')).status, status, it)
  }
})

t.test('case 43: a verdict is not kept by the bytes of a signature', async t => {
  const { registry, signer, pull } = await scene(t, { config: { cache: { tags: 0, refused: 30 } } })
  const NAME = 'dev.cosignproject.cosign/signature'
  const stated = (image: { readonly digest: string }): Buffer => payloadOf(image.digest, `${HOST}/test`)
  const [first, second, third] = ['first', 'second', 'third'].map(tag => registry.put('test', imageOf(tag), tag))
  if (first === undefined || second === undefined || third === undefined) throw new Error('no images')
  const layer = signatureLayer(signer, stated(first))
  registry.put('test', sigManifest([layer]), sigTag(first.digest))
  t.equal((await pull('test/manifests/first')).status, 200)
  const moved = [layer, { ...signatureLayer(signer, stated(second)), annotations: layer.annotations }]
  registry.put('test', sigManifest(moved), sigTag(second.digest))
  t.equal((await pull('test/manifests/second')).status, 403, 'bytes that were good for another image')
  const ofThird = signatureLayer(signer, stated(third))
  const mirrored = mirroredSignature(Buffer.from(ofThird.annotations[NAME] ?? '', 'base64')).toString('base64')
  registry.put('test', sigManifest([{ ...ofThird, annotations: { [NAME]: mirrored } }]), sigTag(third.digest))
  t.equal((await pull('test/manifests/third')).status, 200, 'n - s in the place of s is as good')
})

t.test('case 52: layers of another type are no signatures, whatever they hold', async t => {
  const { registry, signer, pull } = await scene(t)
  const types = ['application/vnd.oci.image.layer.v1.tar', 'application/vnd.dsse.envelope.v1+json', 'text/plain', '']
  for (const [index, mediaType] of types.entries()) {
    const tag = String(index)
    const image = registry.put('test', imageOf(tag), tag)
    const layer = signatureLayer(signer, payloadOf(image.digest, `${HOST}/test`))
    const other = { ...layer, payload: { ...layer.payload, mediaType } }
    registry.put('test', sigManifest([other]), sigTag(image.digest))
    t.match(await pull(`test/manifests/${tag}`), { status: 403, message: /found none/ }, mediaType)
    registry.put('test', sigManifest([other, layer]), sigTag(image.digest))
    t.equal((await pull(`test/manifests/${tag}`)).status, 200, `${mediaType} beside one`)
  }
})

t.test('case 53: a payload that is not the one its layer describes is not looked at', async t => {
  const { registry, signer, pull } = await scene(t)
  const table: readonly { it: string; described: (payload: Blob) => Blob; status: number }[] = [
    { it: 'as it is described', described: payload => payload, status: 200 },
    { it: 'another digest', described: payload => ({ ...payload, digest: blobOf('other').digest }), status: 403 },
    { it: 'more bytes', described: payload => ({ ...payload, size: payload.size - 1 }), status: 403 },
    { it: 'fewer bytes', described: payload => ({ ...payload, size: payload.size + 1 }), status: 403 },
  ]
  for (const [index, { it, described, status }] of table.entries()) {
    const tag = String(index)
    const image = registry.put('test', imageOf(it), tag)
    const layer = signatureLayer(signer, payloadOf(image.digest, `${HOST}/test`))
    registry.put('test', sigManifest([{ ...layer, payload: described(layer.payload) }]), sigTag(image.digest))
    t.equal((await pull(`test/manifests/${tag}`)).status, status, it)
  }
})

t.test('case 57: a signature that says it is huge is not fetched', async t => {
  const { registry, signer, pull } = await scene(t)
  const image = registry.put('test', imageOf('a'), '1')
  const made = sigManifest([signatureLayer(signer, payloadOf(image.digest, `${HOST}/test`))])
  const document = JSON.parse(made.manifest.bytes.toString())
  document.layers[0].size = 10_000_000_000
  registry.put('test', { ...made, manifest: blobOf(JSON.stringify(document), OCI_MANIFEST) }, sigTag(image.digest))
  t.equal((await pull('test/manifests/1')).status, 403)
  t.equal(registry.count(document.layers[0].digest), 0)
})

t.test('cases 47 and 49: one bad key among several is a policy that cannot be used', async t => {
  const directory = temporaryDirectory(t)
  const good = ecdsaSigner().publicPem
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ type: 'spki', format: 'pem' })
  const base64 = (text: string): string => Buffer.from(text).toString('base64')
  const place = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text)
    return join(directory, name)
  }
  const goodPath = place('good.pub', good)
  const keys: readonly { it: string; text: string }[] = [
    { it: 'no key', text: '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n' },
    { it: 'an empty file', text: '' },
    { it: 'a weak key', text: weak },
  ]
  for (const { it, text } of keys) {
    const badPath = place('bad.pub', text)
    const signers: readonly { fields: object; is: RegExp }[] = [
      { fields: { keyPaths: [goodPath, badPath] }, is: /bad\.pub/ },
      { fields: { keyPaths: [badPath, goodPath] }, is: /bad\.pub/ },
      { fields: { keyDatas: [base64(good), base64(text)] }, is: /keyDatas/ },
      { fields: { keyDatas: [base64(text), base64(good)] }, is: /keyDatas/ },
      { fields: { keyPath: goodPath, rekorPublicKeyPaths: [goodPath, badPath] }, is: /bad\.pub/ },
      { fields: { keyPath: goodPath, rekorPublicKeyDatas: [base64(good), base64(text)] }, is: /rekorPublicKeyDatas/ },
    ]
    for (const { fields, is } of signers) {
      const policy = (): object => ({ default: [{ type: 'sigstoreSigned', ...fields }] })
      await t.rejects(scene(t, { policy }), is, `${it}: ${Object.keys(fields).join(', ')}`)
    }
  }
})

t.test('case 90: every requirement must hold, by any signature', async t => {
  const other = ecdsaSigner()
  const directory = temporaryDirectory(t)
  const otherPath = join(directory, 'other.pub')
  writeFileSync(otherPath, other.publicPem)
  const signed = (keyPath: string): object => ({ type: 'sigstoreSigned', keyPath })
  const { registry, signer, pull } = await scene(t, {
    policy: keyPath => ({
      default: [{ type: 'reject' }],
      transports: {
        docker: {
          [`${HOST}/both`]: [signed(keyPath), signed(otherPath)],
          [`${HOST}/contrary`]: [{ type: 'insecureAcceptAnything' }, { type: 'reject' }],
          [`${HOST}/signed-and-rejected`]: [signed(keyPath), { type: 'reject' }],
          [`${HOST}/one`]: [signed(keyPath)],
        },
      },
    }),
  })
  const table: readonly { it: string; repository: string; by: readonly Signer[]; status: number }[] = [
    { it: 'both', repository: 'both', by: [signer, other], status: 200 },
    { it: 'only the one', repository: 'both', by: [signer], status: 403 },
    { it: 'only the other', repository: 'both', by: [other], status: 403 },
    { it: 'the one twice', repository: 'both', by: [signer, signer], status: 403 },
    { it: 'anything, and nothing', repository: 'contrary', by: [], status: 403 },
    { it: 'signed, and nothing', repository: 'signed-and-rejected', by: [signer], status: 403 },
    { it: 'a stranger’s beside it', repository: 'one', by: [other, signer], status: 200 },
  ]
  for (const [index, { it, repository, by, status }] of table.entries()) {
    const tag = String(index)
    const image = registry.put(repository, imageOf(`${it} ${repository}`), tag)
    const layers = by.map(each => signatureLayer(each, payloadOf(image.digest, `${HOST}/${repository}`)))
    if (layers.length > 0) registry.put(repository, sigManifest(layers), sigTag(image.digest))
    t.equal((await pull(`${repository}/manifests/${tag}`)).status, status, it)
  }
})

t.test('case 102: no header of a client’s chooses the scope', async t => {
  const accepted = 'accepted.example'
  const { registry, pull } = await scene(t, {
    config: url => ({
      registries: { [HOST]: { url }, [accepted]: { url } },
      hostNames: { 'accepted.gate.example': accepted },
    }),
    policy: () => ({
      default: [{ type: 'reject' }],
      transports: { docker: { [accepted]: [{ type: 'insecureAcceptAnything' }] } },
    }),
  })
  registry.put('test', imageOf('a'), '1')
  t.equal((await pull(`${accepted}/test/manifests/1`)).status, 200, 'it could be had by its own name')
  for (const value of ['accepted.gate.example', accepted]) {
    for (const name of ['x-forwarded-host', 'x-original-host', 'x-host', 'forwarded', 'x-forwarded-server']) {
      const headers = { [name]: name === 'forwarded' ? `host=${value}` : value }
      t.equal((await pull('test/manifests/1', { headers })).status, 403, `${name}: ${value}`)
    }
  }
})

t.test('case 102: nor who a client is: what a HEAD told one client is for that one', async t => {
  const { registry, signer, pull } = await scene(t, { policy: keyPath => signedPolicy(keyPath, `${HOST}/test:1`) })
  const { digest } = registry.putSigned('test', '1', signer, HOST)
  const headers = { 'x-forwarded-for': '192.0.2.1', forwarded: 'for=192.0.2.1', 'x-real-ip': '192.0.2.1' }
  t.equal((await pull('test/manifests/1', { method: 'HEAD', headers })).status, 200)
  t.equal((await pull(`test/manifests/${digest}`)).status, 200, 'the same client, whoever it said it was')
})

t.test('case 103: what is no image is held to the policy too', async t => {
  const { registry, signer, pull } = await scene(t)
  const kinds = {
    helm: 'application/vnd.cncf.helm.config.v1+json',
    wasm: 'application/vnd.wasm.config.v0+json',
    'empty config': 'application/vnd.oci.empty.v1+json',
    SBOM: 'application/spdx+json',
  }
  for (const [index, [it, mediaType]] of Object.entries(kinds).entries()) {
    const config = blobOf('{}', mediaType)
    const layer = blobOf(it, 'application/octet-stream')
    const named = ({ digest, size, mediaType: type }: typeof config): object => ({ mediaType: type, digest, size })
    const document = { schemaVersion: 2, mediaType: OCI_MANIFEST, config: named(config), layers: [named(layer)] }
    const manifest = blobOf(JSON.stringify(document), OCI_MANIFEST)
    const tag = String(index)
    registry.put('test', { manifest, blobs: [config, layer] }, tag)
    t.equal((await pull(`test/manifests/${tag}`)).status, 403, `${it}, unsigned`)
    registry.sign('test', manifest, signer, `${HOST}/test`)
    t.equal((await pull(`test/manifests/${tag}`)).status, 200, `${it}, signed`)
  }
})

t.test('cases 107, 170: a tag that moves while it is judged', async t => {
  const { registry, signer, pull } = await scene(t)
  const signed = registry.putSigned('test', '1', signer, HOST)
  const unsigned = imageOf('unsigned').manifest
  registry.on(/^GET \/v2\/test\/manifests\/sha256-/, () => {
    registry.manifests.set('test 1', unsigned)
    registry.manifests.set(`test ${unsigned.digest}`, unsigned)
    return false
  })
  const first = await pull('test/manifests/1')
  t.equal(first.status, 200)
  t.ok(first.body.equals(signed.bytes), 'what was judged is what is served')
  t.equal(first.headers.get('docker-content-digest'), signed.digest)
  t.equal((await pull('test/manifests/1')).status, 403, 'and the next pull is judged anew')
})

t.test('cases 109 and 132: the digest and the type are ours, whatever the registry says', async t => {
  const { registry, signer, pull } = await scene(t)
  const image = registry.putSigned('test', '1', signer, HOST)
  const index = registry.put('test', { manifest: indexOf([image]), blobs: [] }, '2')
  registry.sign('test', index, signer, `${HOST}/test`)
  for (const [tag, { bytes, mediaType, digest }] of [
    ['1', image],
    ['2', index],
  ] as const) {
    for (const lie of [`sha256:${'0'.repeat(64)}`, '0'.repeat(64), 'sha512:00', '', undefined]) {
      const type = `${mediaType}; charset=utf-8`
      const headers = { 'content-type': type, ...(lie === undefined ? {} : { 'docker-content-digest': lie }) }
      registry.on(new RegExp(`manifests/${tag}$`), answer(200, headers, bytes))
      const pulled = await pull(`test/manifests/${tag}`)
      t.equal(pulled.status, 200)
      t.equal(pulled.headers.get('docker-content-digest'), digest, String(lie))
      t.equal(pulled.headers.get('content-type'), mediaType)
    }
  }
})

t.test('case 162: a token with a line end in it is no header', async t => {
  const { registry, pull } = await scene(t)
  registry.guard = (request, response) => {
    if (request.url?.startsWith('/token') === true) {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ token: 'a\r\nx-evil: 1' }))
    } else {
      response.writeHead(401, { 'www-authenticate': `Bearer realm="${registry.url}/token",service="x"` }).end()
    }
    return true
  }
  t.match(await pull('test/manifests/1'), { status: 502, message: /no usable token/ })
  t.notOk(registry.headers.some(headers => 'x-evil' in headers))
})

t.test('case 189: with a key that is not the signer’s nothing passes', async t => {
  const directory = temporaryDirectory(t)
  const wrong = join(directory, 'wrong.pub')
  writeFileSync(wrong, ecdsaSigner().publicPem)
  const policy = (): object => ({ default: [{ type: 'sigstoreSigned', keyPath: wrong }] })
  const { registry, signer, pull } = await scene(t, { policy })
  registry.putSigned('test', '1', signer, HOST)
  t.match(await pull('test/manifests/1'), { status: 403, message: /wrong\.pub/ })
})

t.test('case 206: a leader that fails, fails once for all', async t => {
  const { registry, signer, pull } = await scene(t)
  registry.putSigned('test', '1', signer, HOST)
  let isBroken = true
  registry.on(/manifests\/1$/, (_request, response) => {
    if (!isBroken) return false
    setTimeout(() => response.writeHead(500).end(), 100)
    return true
  })
  const all = await Promise.all(Array.from({ length: 50 }, () => pull('test/manifests/1')))
  t.same([...new Set(all.map(({ status }) => status))], [503])
  t.equal(registry.count('manifests/1'), 1, 'asked once')
  isBroken = false
  t.equal((await pull('test/manifests/1')).status, 200, 'and at once anew')
})

t.test('case 201: a new policy, and everybody at once', async t => {
  const config = { cache: { tags: 0, refused: 2 } }
  const { registry, signer, pull, policyFile, directory } = await scene(t, { config })
  const image = registry.putSigned('test', '1', signer, HOST)
  // By the same name as later: a verdict is remembered under the name that was asked for.
  t.equal((await pull(`test/manifests/${image.digest}`)).status, 200)
  const fetched = registry.count(sigTag(image.digest))
  const other = join(directory, 'other.pub')
  writeFileSync(other, ecdsaSigner().publicPem)
  writeFileSync(policyFile, JSON.stringify(signedPolicy(other)))
  const all = await Promise.all(Array.from({ length: 300 }, () => pull(`test/manifests/${image.digest}`)))
  t.same([...new Set(all.map(({ status }) => status))], [403], 'nobody gets the verdict of the policy before')
  t.equal(registry.count(sigTag(image.digest)) - fetched, 1, 'and it is judged once')
})

t.test('case 209: a name that does not resolve', async t => {
  const { pull } = await scene(t, { config: () => ({ registries: { [HOST]: { url: 'http://registry.invalid' } } }) })
  const begun = performance.now()
  t.match(await pull('test/manifests/1'), { status: 503, code: 'UNAVAILABLE' })
  t.ok(performance.now() - begun < 15_000, 'in bounded time')
})

t.test('cases 219 and 232: a tag that is put back is seen only where the claim names the tag', async t => {
  const pinned = (keyPath: string): object => {
    const requirement = { type: 'sigstoreSigned', keyPath, signedIdentity: { type: 'matchExact' } }
    return { default: [{ type: 'reject' }], transports: { docker: { [HOST]: [requirement] } } }
  }
  const rows = [
    { it: 'a claim of a repository', claim: `${HOST}/test`, policy: undefined, status: 200 },
    { it: 'a claim of a tag', claim: `${HOST}/test:1`, policy: undefined, status: 403 },
    { it: 'a claim of a tag, matchExact', claim: `${HOST}/test:1`, policy: pinned, status: 403 },
  ]
  for (const { it, claim, policy, status } of rows) {
    const { registry, signer, pull } = await scene(t, policy === undefined ? {} : { policy })
    const old = registry.put('test', imageOf('old'), '1')
    registry.sign('test', old, signer, claim)
    t.equal((await pull('test/manifests/1')).status, 200, `${it}: by its own tag`)
    registry.manifests.set('test 2', old)
    const served = await pull('test/manifests/2')
    t.equal(served.status, status, `${it}: where the next one was`)
    // What to look for where it was let through: the digest is in every answer, and in every line of the log.
    if (status === 200) t.equal(served.headers.get('docker-content-digest'), old.digest)
  }
})
