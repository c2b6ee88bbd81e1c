import { createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { checkStatement } from '../../src/signatures/bundle/statement.ts'
import { parseBundle } from '../../src/signatures/bundle/parse-bundle.ts'
import { MAX_MANIFEST_BYTES } from '../../src/manifest/manifest.ts'
import { UpstreamError } from '../../src/upstream/upstream-error.ts'
import { answer } from '../support/faults.ts'
import { blobOf, imageOf, OCI_MANIFEST, payloadOf, sigManifest, signatureLayer, sigTag } from '../support/signer.ts'
import { startEvilRegistry } from '../support/evil-registry.ts'
import { repositoryAt, tagOf, upstreamOf, within } from '../support/upstream.ts'
import { scene } from './scene.ts'

const MIB = 1024 * 1024

/** A text of exactly so many bytes that means what the shorter one does: JSON may end in spaces. */
function padded(text: string, bytes: number): Buffer {
  return Buffer.concat([Buffer.from(text), Buffer.alloc(bytes - Buffer.byteLength(text), ' ')])
}

t.test('cases 145, 220: a manifest of 4 MiB is served and one byte more is not, whatever length is told', async t => {
  const { registry, signer, pull } = await scene(t)
  const image = imageOf('large').manifest.bytes.toString()
  for (const [it, size, status] of [
    ['L', MAX_MANIFEST_BYTES, 200],
    ['L+1', MAX_MANIFEST_BYTES + 1, 502],
  ] as const) {
    const manifest = blobOf(padded(image, size), OCI_MANIFEST)
    registry.put('test', { manifest, blobs: [] }, '1')
    registry.sign('test', manifest, signer, 'example.org/test')
    for (const length of ['told', 'not told'] as const) {
      registry.script = (request, response) => {
        if (length === 'told' || request.url !== '/v2/test/manifests/1') return false
        response.writeHead(200, { 'content-type': OCI_MANIFEST, 'transfer-encoding': 'chunked' }).end(manifest.bytes)
        return true
      }
      const answered = await pull('test/manifests/1')
      t.equal(answered.status, status, `${it}, its length ${length}`)
      t.equal(answered.body.equals(manifest.bytes), status === 200)
    }
  }
})

t.test('cases 168, 221: a token of 1 MiB is read and one byte more is not', async t => {
  const registry = await startEvilRegistry(t)
  registry.put('team/app', imageOf('x'), '1')
  const token = JSON.stringify({ token: 'good' })
  for (const [it, size, works] of [
    ['L', MIB, true],
    ['L+1', MIB + 1, false],
  ] as const) {
    registry.script = (request, response) => {
      if (request.url?.startsWith('/token') === true) return answer(200, {}, padded(token, size))(request, response)
      if (request.headers.authorization === 'Bearer good') return false
      return answer(401, { 'www-authenticate': `Bearer realm="${registry.url}/token"` })(request, response)
    }
    const asked = upstreamOf(t, registry).manifest(repositoryAt(), tagOf('1'), within())
    if (works) t.ok(await asked, it)
    else await t.rejects(asked, { name: 'UpstreamError', code: 'TOO_LARGE' }, it)
  }
})

/** An inclusion proof with so many hashes, and a checkpoint of so many characters. */
function proofOf({ hashes = 0, checkpoint = 0 }): object {
  const hash = Buffer.alloc(32, 1).toString('base64')
  const envelope = `log.example\n8\n${hash}\n\n`
  return {
    logIndex: '1',
    treeSize: '8',
    rootHash: hash,
    hashes: Array.from({ length: hashes }, () => hash),
    checkpoint: { envelope: envelope.padEnd(checkpoint, 'x') },
  }
}

/** A bundle with lists of these lengths; version 0.1, the one that may hold a chain. */
function bundleOf(lists: {
  readonly timestamps?: number
  readonly certificates?: number
  readonly entries?: number
  readonly inclusionProof?: object
}): string {
  const of = <T>(count: number | undefined, item: T): readonly T[] => Array.from({ length: count ?? 0 }, () => item)
  const bytes = Buffer.alloc(32, 1).toString('base64')
  const entry = {
    logIndex: '1',
    logId: { keyId: bytes },
    kindVersion: { kind: 'dsse', version: '0.0.1' },
    integratedTime: '1700000000',
    inclusionPromise: { signedEntryTimestamp: bytes },
    canonicalizedBody: bytes,
    ...(lists.inclusionProof === undefined ? {} : { inclusionProof: lists.inclusionProof }),
  }
  return JSON.stringify({
    mediaType: 'application/vnd.dev.sigstore.bundle+json;version=0.1',
    verificationMaterial: {
      x509CertificateChain: { certificates: of(lists.certificates ?? 1, { rawBytes: bytes }) },
      tlogEntries: of(lists.entries, entry),
      timestampVerificationData: { rfc3161Timestamps: of(lists.timestamps, { signedTimestamp: bytes }) },
    },
    dsseEnvelope: { payload: bytes, payloadType: 'application/vnd.in-toto+json', signatures: [{ sig: bytes }] },
  })
}

t.test('cases 221, 224, 225: each list of a bundle at its limit, and one beyond', async t => {
  const table = [
    { it: 'timestamps', at: bundleOf({ timestamps: 8 }), beyond: bundleOf({ timestamps: 9 }), says: /more than 8/ },
    { it: 'log entries', at: bundleOf({ entries: 8 }), beyond: bundleOf({ entries: 9 }), says: /more than 8/ },
    {
      it: 'certificates',
      at: bundleOf({ certificates: 10 }),
      beyond: bundleOf({ certificates: 11 }),
      says: /more than 10/,
    },
    {
      it: 'hashes of a proof',
      at: bundleOf({ entries: 1, inclusionProof: proofOf({ hashes: 64 }) }),
      beyond: bundleOf({ entries: 1, inclusionProof: proofOf({ hashes: 65 }) }),
      says: /more than 64/,
    },
    {
      it: 'characters of a checkpoint',
      at: bundleOf({ entries: 1, inclusionProof: proofOf({ checkpoint: 16 * 1024 }) }),
      beyond: bundleOf({ entries: 1, inclusionProof: proofOf({ checkpoint: 16 * 1024 + 1 }) }),
      says: /more than 16384/,
    },
    { it: 'bytes', at: padded(bundleOf({}), MIB), beyond: padded(bundleOf({}), MIB + 1), says: /bytes/ },
  ]
  for (const { it, at, beyond, says } of table) {
    t.match(parseBundle(Buffer.from(at)), { ok: true }, `${it}: L`)
    t.match(parseBundle(Buffer.from(beyond)), { ok: false, problem: says }, `${it}: L+1`)
  }
})

t.test('case 224: 1024 subjects are read, 1025 are not', async t => {
  const image = imageOf('x').manifest
  const stated = (count: number): Buffer =>
    Buffer.from(
      JSON.stringify({
        _type: 'https://in-toto.io/Statement/v1',
        predicateType: 'https://sigstore.dev/cosign/sign/v1',
        subject: Array.from({ length: count }, () => ({ digest: { sha256: image.digest.slice('sha256:'.length) } })),
      }),
    )
  t.match(checkStatement(stated(1024), image), { ok: true })
  t.match(checkStatement(stated(1025), image), { ok: false, about: 'form', problem: /1024/ })
})

t.test('case 229: all that a verdict waits for together is bounded, however slowly each part of it comes', async t => {
  const { registry, signer, pull } = await scene(t, { config: { limits: { verdictSeconds: 0.5 } } })
  registry.putSigned('test', '1', signer, 'example.org')
  for (const [slow, status] of [
    [/manifests\/sha256-\w+\.sig$/, 503],
    [/\/blobs\//, 503],
    // A good signature was found elsewhere.
    [/\/referrers\//, 200],
  ] as const) {
    let isSlow = true
    registry.on(slow, () => isSlow)
    const begun = performance.now()
    const answer = await pull('test/manifests/1')
    const took = performance.now() - begun
    t.equal(answer.status, status, String(slow))
    t.ok(took < 3000, `after ${Math.round(took)} ms`)
    isSlow = false
  }
  t.equal((await pull('test/manifests/1')).status, 200, 'and nothing of it is remembered')
})

t.test('case 231: as many pulls at once as allowed, and the next is told to come again', async t => {
  const { registry, signer, pull } = await scene(t, { config: { limits: { pulls: 3 } } })
  registry.putSigned('test', '1', signer, 'example.org')
  const waiting: (() => void)[] = []
  registry.on(/manifests\/1$/, (request, response) => {
    if (waiting.length > 0) return false
    waiting.push(() => registry.handle(request, response))
    return true
  })
  const first = [pull('test/manifests/1'), pull('test/manifests/1'), pull('test/manifests/1')]
  await t.resolves(until(() => waiting.length > 0))
  await new Promise(resolve => setTimeout(resolve, 200))
  const beyond = await pull('test/manifests/1')
  t.equal(beyond.status, 503, 'L+1')
  t.ok(Number(beyond.headers.get('retry-after')) > 0)
  for (const go of waiting) go()
  t.same(
    (await Promise.all(first)).map(({ status }) => status),
    [200, 200, 200],
    'L',
  )
  t.equal((await pull('test/manifests/1')).status, 200, 'and there is room again')
})

t.test('case 212: manifests of pulls under way fill what they may, and the next is told to come again', async t => {
  const { registry, signer, pull } = await scene(t, { config: { limits: { heldBytes: 16 * MIB } } })
  const names = ['1', '2', '3', '4']
  for (const name of names) {
    const large = padded(imageOf(name).manifest.bytes.toString(), MAX_MANIFEST_BYTES)
    const manifest = blobOf(large, OCI_MANIFEST)
    registry.put('test', { manifest, blobs: [] }, name)
    registry.sign('test', manifest, signer, 'example.org/test')
  }
  const waiting: (() => void)[] = []
  let isOpen = false
  registry.on(/manifests\/sha256-\w+\.sig$/, (request, response) => {
    if (isOpen) return false
    waiting.push(() => registry.handle(request, response))
    return true
  })
  const ask = (name: string): ReturnType<typeof pull> => pull(`test/manifests/${name}`)
  const first = [ask('1'), ask('2'), ask('3'), ask('3'), ask('3')]
  await t.resolves(until(() => waiting.length === 3))
  const beyond = await ask('4')
  t.match(beyond, { status: 503, code: 'UNAVAILABLE', message: /too much memory/ }, 'L+1')
  t.ok(Number(beyond.headers.get('retry-after')) > 0)
  isOpen = true
  for (const go of waiting) go()
  t.same(
    (await Promise.all(first)).map(({ status }) => status),
    [200, 200, 200, 200, 200],
    'L, and the same one thrice is one',
  )
  t.equal((await ask('4')).status, 200, 'and there is room again')
})

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(resolve => setTimeout(resolve, 10))
}

t.test('case 204: what waits for an upstream that does not answer gives its place back', async t => {
  const silent = createServer()
  const sockets: Socket[] = []
  silent.on('connection', socket => sockets.push(socket.on('error', () => undefined).resume()))
  await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve))
  t.teardown(() => silent.close())
  const { port } = silent.address() as AddressInfo
  const timeouts = { connect: 0.5, headers: 0.7, body: 0.7 }
  const { registry, signer, pull } = await scene(t, {
    config: url => ({
      registries: {
        'example.org': { url, timeouts },
        // What accepts and says nothing to a handshake is not connected; over HTTP it is, and has no headers.
        'tls.example': { url: `https://127.0.0.1:${port}`, timeouts },
        'plain.example': { url: `http://127.0.0.1:${port}`, timeouts },
      },
      limits: { pulls: 1 },
    }),
  })
  registry.putSigned('test', '1', signer, 'example.org')
  for (const host of ['tls.example', 'plain.example']) {
    const began = performance.now()
    const waiting = pull(`${host}/app/manifests/1`)
    await sleep(100)
    t.equal((await pull('test/manifests/1')).status, 503, 'its place is taken')
    const answered = await waiting
    t.equal(answered.status, 503, `${host}: come again, and not 404`)
    t.match(answered.message, /did not answer in time$/)
    t.ok(performance.now() - began < 3000, `${host}: within its time`)
    t.equal((await pull('test/manifests/1')).status, 200, 'and is free again')
    for (let waited = 0; !sockets.every(socket => socket.destroyed) && waited < 40; waited += 1) await sleep(50)
    t.ok(sockets.length > 0 && sockets.every(({ destroyed }) => destroyed), 'no socket is left')
  }
})

t.test('case 225: annotations by the thousand, and one of a mebibyte, are read and mean nothing', async t => {
  const { registry, signer, pull } = await scene(t)
  const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, at) => [`org.example.${at}`, 'v']))
  const large = { 'org.example.large': 'v'.repeat(MIB) }
  const lying = { 'dev.cosignproject.cosign/signature': 'A'.repeat(MIB) }
  const rows = [
    { it: '10,000, beside the signature', annotations: many, beside: 'signature', status: 200 },
    { it: 'a mebibyte, beside the signature', annotations: large, beside: 'signature', status: 200 },
    { it: '10,000, and no signature', annotations: many, beside: 'nothing', status: 403 },
    { it: 'a mebibyte, and no signature', annotations: large, beside: 'nothing', status: 403 },
    { it: 'a signature of a mebibyte', annotations: lying, beside: 'nothing', status: 403 },
  ]
  for (const { it, annotations, beside, status } of rows) {
    const manifest = registry.put('test', imageOf(it), '1')
    const good = signatureLayer(signer, payloadOf(manifest.digest, 'example.org/test'))
    const layer = { ...good, annotations: { ...annotations, ...(beside === 'signature' && good.annotations) } }
    registry.put('test', sigManifest([layer]), sigTag(manifest.digest))
    t.equal((await pull('test/manifests/1')).status, status, it)
  }
})

t.test('case 221: an error of 64 KiB is read, and of a longer one only its status', async t => {
  const registry = await startEvilRegistry(t)
  const list = JSON.stringify({ errors: [{ code: 'TOOMANYREQUESTS', message: 'slow down' }] })
  for (const [it, size, complaints] of [
    ['L', 64 * 1024, [{ code: 'TOOMANYREQUESTS', message: 'slow down' }]],
    ['L+1', 64 * 1024 + 1, []],
  ] as const) {
    registry.script = answer(500, {}, padded(list, size))
    const asked = upstreamOf(t, registry).manifest(repositoryAt(), tagOf('1'), within())
    const error = await asked.catch((thrown: unknown) => thrown)
    t.match(error, { code: 'SERVER_ERROR', status: 500 }, it)
    t.same(error instanceof UpstreamError && error.complaints, complaints, it)
  }
})

t.test('case 221: a signed payload of 1 MiB is read and one byte more is not', async t => {
  const { registry, signer, pull } = await scene(t, { config: { limits: { signatureBytes: 2 * MIB } } })
  for (const [it, size, status] of [
    ['L', MIB, 200],
    ['L+1', MIB + 1, 403],
  ] as const) {
    const image = registry.put('test', imageOf(it), '1')
    const payload = padded(payloadOf(image.digest, 'example.org/test').toString(), size)
    registry.put('test', sigManifest([signatureLayer(signer, payload)]), sigTag(image.digest))
    t.equal((await pull('test/manifests/1')).status, status, it)
  }
})

t.test('case 223: a signature whose blob is longer than it says is not read to its end', async t => {
  const { registry, signer, pull } = await scene(t)
  const image = registry.put('test', imageOf('x'), '1')
  const layer = signatureLayer(signer, payloadOf(image.digest, 'example.org/test'))
  registry.put('test', sigManifest([layer]), sigTag(image.digest))
  let sent = 0
  const isOver = Promise.withResolvers<void>()
  registry.on(/\/blobs\//, (_request, response) => {
    response.on('close', isOver.resolve)
    const pour = (): void => {
      sent += 64 * 1024
      response.write(Buffer.alloc(64 * 1024, ' '), error => {
        if (!error && sent < 64 * MIB) pour()
        else response.end()
      })
    }
    pour()
    return true
  })
  t.not((await pull('test/manifests/1')).status, 200)
  await isOver.promise
  t.ok(sent < 64 * MIB, `${sent} bytes, and it is hung up on`)
})

t.test('case 228: a list of tags of 8 MiB is read and one byte more is not', async t => {
  const { registry, pull } = await scene(t)
  const list = JSON.stringify({ name: 'test', tags: ['v1'] })
  for (const [it, size, status] of [
    ['L', 8 * MIB, 200],
    ['L+1', 8 * MIB + 1, 502],
  ] as const) {
    registry.script = answer(200, { 'content-type': 'application/json' }, padded(list, size))
    t.equal((await pull('test/tags/list')).status, status, it)
  }
})

t.test('case 228: a million tags are too many, and a list within the limit is cut to its page', async t => {
  const { registry, signer, pull } = await scene(t)
  registry.putSigned('test', '1', signer, 'example.org')
  const listOf = (count: number): string =>
    JSON.stringify({ name: 'test', tags: Array.from({ length: count }, (_, at) => `v${at}`) })
  let sent = listOf(1_000_000)
  registry.on(/tags\/list/, (...both) => answer(200, { 'content-type': 'application/json' }, sent)(...both))
  t.equal((await pull('test/tags/list?n=10')).status, 502)
  sent = listOf(500_000)
  const cut = await pull('test/tags/list?n=10')
  t.equal(cut.status, 200)
  t.equal(JSON.parse(cut.body.toString()).tags.length, 10)
  t.equal((await pull('test/manifests/1')).status, 200)
})
