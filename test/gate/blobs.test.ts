import { connect, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { Script } from '../support/evil-registry.ts'
import { hangUp, truncated } from '../support/faults.ts'
import { blobOf } from '../support/signer.ts'
import { HOST, scene } from './scene.ts'

const MIB = 1024 * 1024

t.test('case 146: a client that takes nothing of a blob is hung up on, and the upstream with it', async t => {
  const { registry, url, pull } = await scene(t, { config: { limits: { stallSeconds: 0.5 } } })
  const large = blobOf(Buffer.alloc(64 * MIB, 7))
  const upstreamClosed = Promise.withResolvers<boolean>()
  registry.script = (request, response) => {
    if (request.url !== `/v2/test/blobs/${large.digest}`) return false
    response.on('close', () => upstreamClosed.resolve(!response.writableFinished))
    response.writeHead(200, { 'content-length': large.bytes.length }).end(large.bytes)
    return true
  }
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  let reset = false
  socket.on('error', () => (reset = true))
  socket.pause()
  socket.write(`GET /v2/test/blobs/${large.digest} HTTP/1.1\r\nhost: gate\r\n\r\n`)
  t.ok(await Promise.race([upstreamClosed.promise, sleep(5000)]), 'the upstream is let go')
  socket.resume()
  for (let waited = 0; !socket.destroyed && waited < 100; waited += 1) await sleep(50)
  t.ok(socket.destroyed || reset, 'so is the client')
  const answer = await pull(`test/blobs/${large.digest}`)
  t.equal(answer.body.length, large.bytes.length, 'one that does take it gets all of it')
})

t.test('a blob that cannot be passed on whole is counted', async t => {
  const { registry, signer, pull, adminUrl } = await scene(t)
  const wanted = blobOf(Buffer.alloc(3 * MIB, 1))
  const other = blobOf(Buffer.alloc(3 * MIB, 2))
  const manifest = registry.putSigned('test', '1', signer, 'example.org')
  const rows: readonly { it: string; digest: string; bytes: Uint8Array; reason: string }[] = [
    { it: 'a manifest (case 123)', digest: manifest.digest, bytes: manifest.bytes, reason: 'manifest' },
    { it: 'another digest (case 125)', digest: wanted.digest, bytes: other.bytes, reason: 'digest' },
  ]
  for (const { it, digest, bytes, reason } of rows) {
    registry.script = (request, response) => {
      if (request.url !== `/v2/test/blobs/${digest}`) return false
      response.writeHead(200, { 'content-length': bytes.length }).end(bytes)
      return true
    }
    const answer = await pull(`test/blobs/${digest}`).catch(() => undefined)
    t.not(answer?.status, 200, it)
    const metrics = await (await fetch(`${adminUrl}/metrics`)).text()
    t.match(metrics, `sealgate_blobs_stopped_total{reason="${reason}"} 1`, it)
  }
})

t.test(
  'case 208: a blob whose upstream fails before anything has left is answered as what it is: come again',
  async t => {
    const { registry, pull, adminUrl } = await scene(t, {
      config: upstream => ({ registries: { [HOST]: { url: upstream, timeouts: { body: 0.3 } } } }),
    })
    // As JSON it is held back until its end, as any blob of one chunk is.
    const { digest, bytes } = blobOf(JSON.stringify({ architecture: 'amd64', text: 'x'.repeat(4000) }))
    const rows = [
      { it: 'a reset', script: truncated(bytes, 'hang-up') },
      { it: 'a reset without a length', script: halfOf(bytes) },
      { it: 'silence', script: truncated(bytes, 'silence') },
      { it: 'no answer at all', script: hangUp },
    ]
    for (const { it, script } of rows) {
      registry.on(/\/blobs\//, script)
      for (const headers of [{}, { range: 'bytes=0-9' }]) {
        const { status, code, message } = await pull(`test/blobs/${digest}`, { headers })
        t.same({ status, code }, { status: 503, code: 'UNAVAILABLE' }, `${it}, ${JSON.stringify(headers)}: ${message}`)
      }
    }
    const metrics = await (await fetch(`${adminUrl}/metrics`)).text()
    t.match(metrics, /^sealgate_blob_bytes_total 0$/m, 'and none of it counts as passed on')
  },
)

/** Chunked, and cut off: only the socket tells that it was not all. */
function halfOf(bytes: Uint8Array): Script {
  return (_, response) => {
    response.write(bytes.subarray(0, bytes.length / 2))
    setTimeout(() => response.socket?.destroy(), 20)
    return true
  }
}

t.test('case 215: a client that hangs up takes its upstream request with it, five hundred times over', async t => {
  const { registry, url } = await scene(t)
  const large = blobOf(Buffer.alloc(16 * MIB, 3))
  const seen = { begun: 0, ended: 0 }
  registry.script = (request, response) => {
    if (request.url !== `/v2/test/blobs/${large.digest}`) return false
    seen.begun += 1
    response.on('close', () => (seen.ended += Number(!response.writableFinished)))
    // Half, and then nothing: only a hang-up ends it within the time of this test.
    response.writeHead(200, { 'content-length': large.size })
    response.write(large.bytes.subarray(0, 8 * MIB))
    return true
  }
  const abortOne = async (): Promise<void> => {
    const stop = new AbortController()
    const answer = await fetch(`${url}/v2/test/blobs/${large.digest}`, { signal: stop.signal })
    await answer.body?.getReader().read()
    stop.abort()
  }
  for (let round = 0; round < 50; round += 1) await Promise.all(Array.from({ length: 10 }, abortOne))
  for (let waited = 0; seen.ended < seen.begun && waited < 100; waited += 1) await sleep(50)
  t.same(seen, { begun: 500, ended: 500 })
})

t.test('case 215: nor is one waited for that has not begun, when nobody wants it any more', async t => {
  const { registry, url } = await scene(t)
  const { digest } = blobOf('x')
  const asked = Promise.withResolvers<void>()
  const letGo = Promise.withResolvers<boolean>()
  registry.on(/\/blobs\//, (_request, response) => {
    response.on('close', () => letGo.resolve(true))
    asked.resolve()
    return true
  })
  for (const headers of [{}, { range: 'bytes=0-9' }]) {
    const stop = new AbortController()
    const pull = fetch(`${url}/v2/test/blobs/${digest}`, { signal: stop.signal, headers })
    await asked.promise
    stop.abort()
    await t.rejects(pull, { name: 'AbortError' })
    t.ok(await Promise.race([letGo.promise, sleep(5000, false, { ref: false })]), JSON.stringify(headers))
  }
})

t.test('an answer waits for the end of its turn of the event loop, but not while a blob is on its way', async t => {
  const { registry, signer, pull } = await scene(t)
  const { digest } = registry.putSigned('test', '1', signer, 'example.org')
  const large = blobOf(Buffer.alloc(3 * MIB, 1))
  const begun = Promise.withResolvers<() => void>()
  registry.script = (request, response) => {
    if (request.url !== `/v2/test/blobs/${large.digest}`) return false
    response.writeHead(200, { 'content-length': large.bytes.length }).write(large.bytes.subarray(0, MIB))
    begun.resolve(() => response.end(large.bytes.subarray(MIB)))
    return true
  }
  const heldAnswers = countHeldAnswers(t)
  await pull(`test/manifests/${digest}`)
  t.ok(heldAnswers() > 0)
  const blob = pull(`test/blobs/${large.digest}`)
  const finish = await begun.promise
  await sleep(100)
  const before = heldAnswers()
  t.equal((await pull(`test/manifests/${digest}`)).status, 200)
  t.equal(heldAnswers(), before, 'at once')
  finish()
  t.equal((await blob).body.length, large.bytes.length)
})

/** How many sockets' answers have been put off, in this process. */
function countHeldAnswers(t: Test): () => number {
  const { setImmediate: original } = globalThis
  let count = 0
  const counting = (callback: (...args: unknown[]) => void, ...args: unknown[]): NodeJS.Immediate => {
    if (args[0] instanceof Socket) count += 1
    return original(callback, ...args)
  }
  Reflect.set(globalThis, 'setImmediate', Object.assign(counting, original))
  t.teardown(() => Reflect.set(globalThis, 'setImmediate', original))
  return () => count
}
