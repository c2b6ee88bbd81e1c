import { spawn } from 'node:child_process'
import { Agent, request, type IncomingMessage } from 'node:http'
import { connect, createServer } from 'node:net'
import { openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createLogger } from '../../src/observe/logger.ts'
import { startEvilRegistry } from '../support/evil-registry.ts'
import { startGate, temporaryDirectory, writePolicy } from '../support/gate.ts'
import { MAIN, startProgram } from '../support/program.ts'
import { blobOf, ecdsaSigner, imageOf } from '../support/signer.ts'
import { get, signedPolicy } from './scene.ts'

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise(resolve => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

/** The program as its user runs it, with a pull of a blob under way: half of it has come. */
async function pullUnderWay(t: Test, shutdownSeconds: number) {
  const registry = await startEvilRegistry(t)
  const directory = temporaryDirectory(t)
  writeFileSync(join(directory, 'cosign.pub'), ecdsaSigner().publicPem)
  writePolicy(directory, signedPolicy('cosign.pub'))
  const admin = await freePort()
  const config = join(directory, 'sealgate.yaml')
  writeFileSync(
    config,
    `listen: 127.0.0.1:0\nadmin: 127.0.0.1:${admin}\npolicy: policy.json\nshutdownSeconds: ${shutdownSeconds}\nregistries:\n  example.org: { url: "${registry.url}", timeouts: { body: 300 } }\n`,
  )
  const blob = blobOf(Buffer.alloc(8_000_000, 7))
  registry.blobs.set(`test ${blob.digest}`, blob)
  let goOn: () => void = () => undefined
  registry.script = (request, response) => {
    if (request.url?.includes('/blobs/') !== true) return false
    response.writeHead(200, { 'content-length': blob.size })
    response.write(blob.bytes.subarray(0, 4_000_000))
    goOn = () => response.end(blob.bytes.subarray(4_000_000))
    return true
  }
  const { child, url, output } = await startProgram(t, config)
  const ended = new Promise<number | NodeJS.Signals | null>(resolve =>
    child.once('exit', (code, signal) => resolve(code ?? signal)),
  )
  const pull = await new Promise<IncomingMessage>((resolve, reject) => {
    const agent = new Agent({ keepAlive: true, timeout: 60_000 })
    t.teardown(() => agent.destroy())
    request(`${url}/v2/example.org/test/blobs/${blob.digest}`, { agent }, resolve).on('error', reject).end()
  })
  const body = buffer(pull)
  await new Promise(resolve => pull.once('data', resolve))
  const terminate = async (): Promise<void> => {
    child.kill('SIGTERM')
    while (!output().includes('stopping: pulls under way may finish')) await sleep(10)
  }
  return { url, admin, blob, pull, body, ended, child, terminate, goOn: () => goOn() }
}

t.test('case 211: SIGTERM lets pulls finish, then the program ends by itself with 0', async t => {
  const { url, admin, blob, pull, body, ended, terminate, goOn } = await pullUnderWay(t, 10)
  await terminate()
  const ready = await fetch(`http://127.0.0.1:${admin}/readyz`, { headers: { connection: 'close' } })
  t.equal(ready.status, 503, 'it is not ready any more, and says so while pulls finish')
  await t.rejects(get(`${url}/v2/`), 'nobody new is served')
  goOn()
  t.equal(pull.statusCode, 200)
  t.ok((await body).equals(blob.bytes), 'the blob under way arrives whole')
  const finished = performance.now()
  t.equal(await ended, 0)
  t.ok(performance.now() - finished < 3000, 'without waiting for a connection that its client keeps')
})

t.test('case 211: a pull that does not finish within shutdownSeconds is cut, and the program ends with 0', async t => {
  const { body, ended, terminate } = await pullUnderWay(t, 1)
  const isCut = t.rejects(body, { code: 'ECONNRESET' }, 'the client can tell: it is no whole blob')
  const began = performance.now()
  await terminate()
  t.equal(await ended, 0)
  const took = performance.now() - began
  t.ok(took >= 900 && took < 20_000, `not before, and then at once: ${took} ms`)
  await isCut
})

t.test('case 211: a second SIGTERM ends it at once', async t => {
  const { body, ended, terminate, child } = await pullUnderWay(t, 60)
  const isCut = t.rejects(body)
  await terminate()
  child.kill('SIGTERM')
  t.equal(await ended, 'SIGTERM')
  await isCut
})

t.test('case 210: a full disk below the log costs lines, and neither the pulls nor the end', async t => {
  const registry = await startEvilRegistry(t)
  const directory = temporaryDirectory(t)
  registry.put('test', imageOf('unsigned'), '1')
  writePolicy(directory, signedPolicy('cosign.pub'))
  writeFileSync(join(directory, 'cosign.pub'), ecdsaSigner().publicPem)
  const [port, admin] = [await freePort(), await freePort()]
  const config = join(directory, 'sealgate.yaml')
  writeFileSync(
    config,
    `listen: 127.0.0.1:${port}\nadmin: 127.0.0.1:${admin}\npolicy: policy.json\nregistries:\n  example.org: { url: "${registry.url}" }\n`,
  )
  const full = openSync('/dev/full', 'w')
  const child = spawn(process.execPath, [MAIN, 'serve', '--config', config], { stdio: ['ignore', full, 'ignore'] })
  t.teardown(() => child.kill('SIGKILL'))
  const ended = new Promise<number | null>(resolve => child.once('exit', resolve))
  const ready = async (): Promise<boolean> =>
    fetch(`http://127.0.0.1:${admin}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    )
  for (let waited = 0; !(await ready()) && waited < 200; waited += 1)
    await new Promise(resolve => setTimeout(resolve, 50))
  t.equal((await get(`http://127.0.0.1:${port}/v2/example.org/test/manifests/1`)).status, 403)
  child.kill('SIGTERM')
  t.equal(await ended, 0)
})

t.test(
  'cases 189, 219: one line a decision and a key, with what it takes to understand it, and nothing secret',
  async t => {
    const lines: string[] = []
    const logger = createLogger('info', { write: (line: string) => void lines.push(line) })
    const registry = await startEvilRegistry(t)
    const signer = ecdsaSigner()
    const directory = temporaryDirectory(t)
    writeFileSync(join(directory, 'cosign.pub'), signer.publicPem)
    const { url } = await startGate(
      t,
      {
        policy: writePolicy(directory, signedPolicy('cosign.pub')),
        registries: { 'example.org': { url: registry.url, username: 'reader', password: 's3cret-password' } },
      },
      logger,
    )
    registry.putSigned('test', '1', signer, 'example.org')
    registry.put('unsigned', imageOf('unsigned'), '1')
    registry.script = (request, response) => {
      if (request.headers.authorization !== undefined) return false
      response.writeHead(401, { 'www-authenticate': 'Basic' }).end()
      return true
    }
    const secret = { headers: { authorization: `Bearer client-s3cret` } }
    for (const name of ['test', 'test', 'unsigned'])
      await get(`${url}/v2/example.org/${name}/manifests/1?x=query-s3cret`, secret)
    const decisions = lines.map(line => JSON.parse(line)).filter(line => line.verdict !== undefined)
    const keys = lines.map(line => JSON.parse(line)).filter(line => line.msg === 'trusted key')
    t.match(keys, [
      { scope: 'docker example.org', key: 'cosign.pub', from: 'disk', fingerprint: /^SHA256:[0-9a-f]{64}$/ },
    ])
    t.match(decisions, [
      {
        verdict: 'accepted',
        reference: 'example.org/test:1',
        scope: 'example.org',
        signers: ['cosign.pub'],
        client: '127.0.0.1',
        cache: 'miss',
      },
      { verdict: 'accepted', cache: 'hit' },
      {
        verdict: 'refused',
        reference: 'example.org/unsigned:1',
        reason: /needs a signature by cosign\.pub, found none/,
        cache: 'miss',
      },
    ])
    for (const line of decisions) {
      t.match(line.digest, /^sha256:[0-9a-f]{64}$/)
      t.type(line.durationMs, 'number')
    }
    t.notMatch(lines.join(''), /s3cret/, 'no password, token or query')
  },
)

t.test('case 150: health on a port of its own', async t => {
  const registry = await startEvilRegistry(t)
  const directory = temporaryDirectory(t)
  const { url, adminUrl } = await startGate(t, {
    policy: writePolicy(directory, { default: [{ type: 'reject' }] }),
    registries: { 'example.org': { url: registry.url } },
  })
  t.equal((await get(`${adminUrl}/healthz`)).status, 200)
  t.equal((await get(`${adminUrl}/readyz`)).status, 200)
  t.equal((await get(`${adminUrl}/explain/none`)).status, 404)
  for (const path of ['healthz', 'readyz', 'explain/x', 'metrics'])
    t.equal((await get(`${url}/${path}`)).status, 404, `not on the clients' port: ${path}`)
})

t.test('a client that never finishes its request holds nobody up', async t => {
  const registry = await startEvilRegistry(t)
  const directory = temporaryDirectory(t)
  const { url } = await startGate(t, {
    policy: writePolicy(directory, { default: [{ type: 'insecureAcceptAnything' }] }),
    registries: { 'example.org': { url: registry.url } },
  })
  registry.put('test', imageOf('x'), '1')
  const { hostname, port } = new URL(url)
  const slow = Array.from({ length: 50 }, () =>
    connect(Number(port), hostname, function (this: { write: (text: string) => void }) {
      this.write('GET /v2/example.org/test/manifests/1 HTTP/1.1\r\nHost: a\r\n')
    }),
  )
  t.teardown(() => slow.forEach(socket => socket.destroy()))
  await new Promise(resolve => setTimeout(resolve, 50))
  t.equal((await get(`${url}/v2/example.org/test/manifests/1`)).status, 200)
})
