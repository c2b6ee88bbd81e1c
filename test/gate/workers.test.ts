import { spawn, type ChildProcess } from 'node:child_process'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { startEvilRegistry, type EvilRegistry } from '../support/evil-registry.ts'
import { temporaryDirectory, writePolicy } from '../support/gate.ts'
import { takePushes } from '../support/push-registry.ts'
import { ecdsaSigner, imageOf, indexOf, sigTag, type Signer } from '../support/signer.ts'
import { HOST, signedPolicy } from './scene.ts'

/** Several processes on one port. Each request here comes by a connection of its own, so that it may reach any of them. */

type Test = Parameters<typeof startEvilRegistry>[0]
const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const WORKERS = 3

type Running = {
  readonly child: ChildProcess
  readonly url: string
  readonly adminUrl: string
  readonly output: () => string
  readonly ended: Promise<number | null>
}

async function start(t: Test, config: object): Promise<Running> {
  const directory = temporaryDirectory(t)
  const file = join(directory, 'sealgate.yaml')
  const listen = { listen: '127.0.0.1:0', admin: '127.0.0.1:0', shutdownSeconds: 1, log: 'info' }
  writeFileSync(file, JSON.stringify({ ...listen, ...config }))
  const args = [MAIN, 'serve', '--config', file, '--workers', String(WORKERS)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  let text = ''
  const ended = new Promise<number | null>(resolve => child.once('exit', resolve))
  const found = new Promise<{ url: string; adminUrl: string }>((resolve, reject) => {
    const read = (chunk: Buffer): void => {
      text += chunk.toString()
      const [, url] = /"registry":"(http:[^"]+)"/.exec(text) ?? []
      const [, adminUrl] = /"admin":"(http:[^"]+)","workers"/.exec(text) ?? []
      if (url !== undefined && adminUrl !== undefined) resolve({ url, adminUrl })
    }
    child.stdout.on('data', read)
    child.stderr.on('data', read)
    child.once('exit', () => reject(new Error(text)))
  })
  return { child, ...(await found), output: () => text, ended }
}

type Answer = { readonly status: number; readonly headers: NodeJS.Dict<string | string[]>; readonly body: string }

async function ask(url: string, init: { method?: string; body?: Uint8Array; type?: string } = {}): Promise<Answer> {
  const headers = { connection: 'close', ...(init.type === undefined ? {} : { 'content-type': init.type }) }
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: init.method ?? 'GET', agent: false, headers }, response => {
      let body = ''
      response.setEncoding('utf8').on('data', (piece: string) => (body += piece))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }))
    })
    sent
      .on('error', reject)
      .setTimeout(3000, () => sent.destroy(new Error('no answer within 3 s')))
      .end(init.body)
  })
}

async function statuses(url: string, times = 5 * WORKERS): Promise<readonly number[]> {
  const answers = await Promise.all(Array.from({ length: times }, () => ask(url)))
  return [...new Set(answers.map(({ status }) => status))]
}

async function until(holds: () => Promise<boolean>): Promise<boolean> {
  for (let tries = 0; tries < 100; tries += 1) {
    if (await holds().catch(() => false)) return true
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  return false
}

async function signedScene(
  t: Test,
): Promise<Running & { registry: EvilRegistry; signer: Signer; policyFile: string; directory: string }> {
  const registry = await startEvilRegistry(t)
  const signer = ecdsaSigner()
  const directory = temporaryDirectory(t)
  const keyPath = join(directory, 'cosign.pub')
  writeFileSync(keyPath, signer.publicPem)
  const policyFile = writePolicy(directory, signedPolicy(keyPath))
  const running = await start(t, {
    policy: policyFile,
    defaultRegistry: HOST,
    registries: { [HOST]: { url: registry.url } },
    cache: { tags: 0, refused: 0 },
    audit: { file: join(directory, 'audit.jsonl') },
  })
  return { ...running, registry, signer, policyFile, directory }
}

t.test('what one worker has accepted, the others serve; a new policy is everybody’s with the next pull', async t => {
  const { url, adminUrl, registry, signer, policyFile, directory, child, ended } = await signedScene(t)
  const child1 = imageOf('child').manifest
  registry.put('test', imageOf('child'))
  const index = registry.put('test', { manifest: indexOf([child1]), blobs: [] }, '1')
  registry.sign('test', index, signer, `${HOST}/test`)
  registry.put('test', imageOf('unsigned'), '2')

  t.same(await statuses(`${url}/v2/test/manifests/${child1.digest}`), [403], 'a child without a signature of its own')
  t.equal((await ask(`${url}/v2/test/manifests/1`)).status, 200, 'one worker verifies the index')
  t.same(await statuses(`${url}/v2/test/manifests/${child1.digest}`), [200], 'and any of them serves the child')
  const before = registry.count(sigTag(index.digest))
  t.same(await statuses(`${url}/v2/test/manifests/1`), [200])
  t.equal(registry.count(sigTag(index.digest)), before, 'verified once for all of them')
  t.same(await statuses(`${url}/v2/test/manifests/2`), [403])

  const metrics = (await ask(`${adminUrl}/metrics`)).body
  for (let number = 1; number <= WORKERS; number += 1) t.match(metrics, new RegExp(`worker="${number}"`))
  t.equal((await ask(`${adminUrl}/readyz`)).status, 200)
  const refused = await ask(`${url}/v2/test/manifests/2`)
  const [, id = ''] = /id="([^"]+)"/.exec(String(refused.headers['x-sealgate-verdict'])) ?? []
  t.match(JSON.parse((await ask(`${adminUrl}/explain/${id}`)).body), { id }, 'whoever has it explains it')
  t.equal((await ask(`${adminUrl}/explain/none`)).status, 404)

  const other = join(directory, 'other.pub')
  writeFileSync(other, ecdsaSigner().publicPem)
  writeFileSync(policyFile, JSON.stringify(signedPolicy(other)))
  t.same(await statuses(`${url}/v2/test/manifests/1`), [403], 'under the new policy')
  t.same(await statuses(`${url}/v2/test/manifests/${child1.digest}`), [403], 'the child too')

  child.kill('SIGTERM')
  t.equal(await ended, 0)
  const records = Array.from({ length: WORKERS }, (_, number) =>
    readFileSync(join(directory, `worker-${number + 1}-audit.jsonl`), 'utf8'),
  )
  t.match(records.join(''), /example\.org\/test@sha256/, 'each has an audit log of its own')
})

t.test(
  'a policy that one worker has from the key broker is soon everybody’s, long before their own refresh',
  async t => {
    const registry = await startEvilRegistry(t)
    const directory = temporaryDirectory(t)
    const [first, second] = [ecdsaSigner(), ecdsaSigner()]
    const resources = join(directory, 'resources.json')
    const write = (signer: Signer): void => {
      const key = Buffer.from(signer.publicPem).toString('base64')
      writeFileSync(`${resources}.new`, JSON.stringify({ 'default/cosign-public-key/test': key }))
      renameSync(`${resources}.new`, resources)
    }
    write(first)
    const { url, adminUrl, output } = await start(t, {
      policy: writePolicy(directory, signedPolicy('/run/sealgate-test-that-is-not-there/cosign.pub')),
      defaultRegistry: HOST,
      registries: { [HOST]: { url: registry.url } },
      cache: { tags: 0, refused: 0 },
      keyBroker: { kind: 'offline-fs', address: resources, refresh: 3600 },
    })
    registry.putSigned('test', '1', first, HOST)
    registry.putSigned('test', '2', second, HOST)
    t.same(await statuses(`${url}/v2/test/manifests/1`), [200])
    t.same(await statuses(`${url}/v2/test/manifests/2`), [403])
    write(second)
    // Whoever takes the place of another loads at its start.
    const [, pid = ''] = /"worker":\d+,"pid":(\d+)/.exec(output()) ?? []
    process.kill(Number(pid), 'SIGKILL')
    for (const status of [503, 200]) await until(async () => (await ask(`${adminUrl}/readyz`)).status === status)
    const isSo = async (): Promise<boolean> =>
      (await statuses(`${url}/v2/test/manifests/2`)).join() === '200' &&
      (await statuses(`${url}/v2/test/manifests/1`)).join() === '403'
    t.ok(await until(isSo), 'all of them judge by the new key')
  },
)

t.test('case 216: a worker that is killed is replaced, and the others go on', async t => {
  const { url, adminUrl, registry, signer, output } = await signedScene(t)
  registry.putSigned('test', '1', signer, HOST)
  t.same(await statuses(`${url}/v2/test/manifests/1`), [200])
  const pids = [...new Set([...output().matchAll(/"worker":\d+,"pid":(\d+)/g)].map(([, pid]) => Number(pid)))]
  const [first] = pids
  if (first === undefined) throw new Error(`no worker is named in the log:\n${output()}`)
  t.equal(pids.length, WORKERS, 'each is in the log as soon as it listens')
  process.kill(first, 'SIGKILL')
  t.ok(await until(async () => (await ask(`${adminUrl}/readyz`)).status === 503), 'not ready meanwhile')
  // A connection that was handed to the worker in the moment it was killed gets no answer, and its client asks again.
  const areServed = async (): Promise<boolean> => (await statuses(`${url}/v2/test/manifests/1`)).join() === '200'
  t.ok(await until(areServed), 'the others answer')
  t.ok(await until(async () => (await ask(`${adminUrl}/readyz`)).status === 200), 'and another takes its place')
  t.match(output(), /a worker ended by itself/)
  t.ok(await until(areServed), 'and so does the new one')
})

t.test('an upload goes on at whichever worker', async t => {
  const registry = await startEvilRegistry(t)
  takePushes(registry)
  const directory = temporaryDirectory(t)
  const { url } = await start(t, {
    policy: writePolicy(directory, { default: [{ type: 'insecureAcceptAnything' }] }),
    defaultRegistry: HOST,
    registries: { [HOST]: { url: registry.url, push: 'passthrough' } },
  })
  const { blobs } = imageOf('pushed')
  for (let round = 0; round < 5; round += 1) {
    for (const { bytes, digest } of blobs) {
      const begun = await ask(`${url}/v2/test/blobs/uploads/`, { method: 'POST' })
      t.equal(begun.status, 202)
      const to = new URL(String(begun.headers['location']), url)
      to.searchParams.set('digest', digest)
      const put = await ask(to.href, { method: 'PUT', body: bytes, type: 'application/octet-stream' })
      t.equal(put.status, 201)
    }
  }
})

t.test('what cannot start, does not', async t => {
  const directory = temporaryDirectory(t)
  const registries = { [HOST]: { url: 'http://127.0.0.1:1' } }
  await t.rejects(start(t, { policy: join(directory, 'none.json'), registries }), /the policy cannot be used/)
  await t.rejects(start(t, { policy: 'p', registries: {} }), /at least one registry/)
  const admitted = start(t, { policy: 'p', registries, blobs: 'admitted' })
  await t.rejects(admitted, /--workers and "blobs: admitted" do not go together/)
})
