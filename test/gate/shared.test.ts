import { request } from 'node:http'
import t from 'tap'
import { imageOf, indexOf } from '../support/signer.ts'
import { signedPolicy } from './scene.ts'
import { child, CHILD, replicas, UNSIGNED } from './shared-scene.ts'

const HEAD = { method: 'HEAD' }

t.test('what one replica has accepted, another does not verify again', async t => {
  const { registry, signer, replica } = await replicas(t)
  registry.putSigned('test', '1', signer, 'example.org')
  const [a, b] = [await replica(), await replica()]
  t.equal((await a.pull('test/manifests/1')).status, 200)
  const before = registry.requests.length
  const answer = await b.pull('test/manifests/1')
  t.equal(answer.status, 200)
  t.match(answer.headers.get('x-sealgate-verdict'), /signer="cosign\.pub"; via="shared"/)
  t.equal(registry.requests.length - before, 1, 'the manifest alone was asked for')
  t.equal((await b.pull('test/manifests/1')).status, 200, 'and then it is in the memory of this one')
})

t.test('an index that one replica has verified lets another serve its children', async t => {
  const { replica } = await replicas(t)
  const [a, b] = [await replica(), await replica()]
  t.equal((await b.pull(CHILD)).status, 403, 'not before')
  t.equal((await a.pull('multi/manifests/latest')).status, 200)
  const answer = await b.pull(CHILD)
  t.equal(answer.status, 200, 'and at once, though b remembers the refusal still')
  t.match(answer.headers.get('x-sealgate-verdict'), /index="sha256:/)
  const restarted = await replica()
  t.equal((await restarted.pull(CHILD)).status, 200, 'after a restart too')
  t.equal((await restarted.pull(UNSIGNED)).status, 403)
})

t.test('an index that is met inside another and then by itself is told for both', async t => {
  const { registry, signer, replica } = await replicas(t)
  const leaf = imageOf('leaf')
  const inner = indexOf([leaf.manifest])
  const middle = indexOf([inner])
  const outer = indexOf([middle])
  registry.put('nested', leaf)
  for (const manifest of [inner, middle]) registry.put('nested', { manifest, blobs: [] })
  registry.put('nested', { manifest: outer, blobs: [] }, 'outer')
  registry.put('nested', { manifest: middle, blobs: [] }, 'middle')
  for (const manifest of [outer, middle]) registry.sign('nested', manifest, signer, 'example.org/nested')
  const [a, b] = [await replica(), await replica()]
  const pull = async (gate: typeof a, name: string): Promise<number> =>
    (await gate.pull(`nested/manifests/${name}`)).status
  t.equal(await pull(a, 'outer'), 200)
  t.equal(await pull(a, middle.digest), 200)
  t.equal(await pull(b, inner.digest), 403, 'an index two below is one too deep')
  t.equal(await pull(a, 'middle'), 200, 'accepted itself')
  t.equal(await pull(b, inner.digest), 200, 'it is one below')
  t.equal(await pull(b, leaf.manifest.digest), 200)
})

t.test('what a HEAD of a tag announced may be pulled by digest from another replica, by the same client', async t => {
  const { registry, signer, replica } = await replicas(t, keyPath => signedPolicy(keyPath, 'example.org/test:1'))
  const manifest = registry.putSigned('test', '1', signer, 'example.org')
  const [a, b] = [await replica(), await replica()]
  const name = `test/manifests/${manifest.digest}`
  t.equal((await b.pull(name)).status, 403, 'by digest it is another reference')
  t.equal((await a.pull('test/manifests/1')).status, 200)
  t.equal((await b.pull(name)).status, 403, 'a GET announces nothing')
  t.equal((await a.pull('test/manifests/1', HEAD)).status, 200)
  t.equal((await pullFrom('127.0.0.9', b, name)).status, 403, 'another client was told nothing')
  t.equal((await b.pull(name)).status, 200)
})

t.test('cases 182, 183: what is not the same is not shared', async t => {
  const scene = await replicas(t)
  const { replica, sharedConfig, secretFile } = scene
  const a = await replica()
  t.equal((await a.pull('multi/manifests/latest')).status, 200)
  t.equal((await (await replica()).pull(CHILD)).status, 200, 'the same is')
  const table: readonly { readonly name: string; readonly change: Readonly<Record<string, unknown>> }[] = [
    { name: 'another secret', change: { shared: { ...sharedConfig, hmacKeyFile: secretFile(32) } } },
    { name: 'another prefix', change: { shared: { ...sharedConfig, prefix: 'other:' } } },
    { name: 'another reading of an absent identity', change: { signedIdentityDefault: 'matchRepoDigestOrExact' } },
    { name: 'another way with indexes', change: { index: 'children' } },
    { name: 'another depth', change: { indexDepth: 3 } },
    { name: 'another limit of signatures', change: { limits: { signatures: 63 } } },
  ]
  for (const { name, change } of table) t.equal((await (await replica(change)).pull(CHILD)).status, 403, name)
})

t.test('case 173: entries that were tampered with are absent, and counted', async t => {
  const { redis, replica } = await replicas(t)
  t.equal((await (await replica()).pull('multi/manifests/latest')).status, 200)
  const good = new Map(redis.entries)
  const everywhere = (change: (entry: Buffer) => Buffer): void => {
    for (const [name, entry] of good) redis.entries.set(name, change(Buffer.from(entry)))
  }
  const table: readonly {
    readonly name: string
    readonly change: (entry: Buffer) => Buffer
    readonly reason: string
  }[] = [
    { name: 'one bit of the end', change: entry => flip(entry, entry.length - 2), reason: 'mac' },
    { name: 'one bit of the expiry', change: entry => flip(entry, 40), reason: 'mac' },
    { name: 'one bit of the MAC', change: entry => flip(entry, 5), reason: 'mac' },
    {
      name: 'another version',
      change: entry => Buffer.concat([Buffer.from([2]), entry.subarray(1)]),
      reason: 'version',
    },
    { name: 'cut short', change: entry => entry.subarray(0, 20), reason: 'too-short' },
    { name: 'cut in the middle', change: entry => entry.subarray(0, -3), reason: 'mac' },
    { name: 'plain JSON', change: () => Buffer.from(`{"verdict":"accepted"}${' '.repeat(60)}`), reason: 'version' },
    { name: '50 MB', change: entry => Buffer.concat([entry, Buffer.alloc(50_000_000)]), reason: 'too-large' },
  ]
  for (const { name, change, reason } of table) {
    everywhere(change)
    const b = await replica()
    t.equal((await b.pull(CHILD)).status, 403, name)
    t.match(
      (await b.admin('metrics')).body.toString(),
      `sealgate_shared_entries_refused_total{reason="${reason}"}`,
      name,
    )
    t.equal((await b.pull('multi/manifests/latest')).status, 200, `${name}: the gate goes on`)
    redis.entries.clear()
  }
  everywhere(entry => entry)
  t.equal((await (await replica()).pull(CHILD)).status, 200, 'untouched they count')
})

t.test('case 174: an entry copied to another key is absent', async t => {
  const { redis, replica } = await replicas(t)
  t.equal((await (await replica()).pull('multi/manifests/latest')).status, 200)
  const entries = [...redis.entries.values()]
  const asked: string[] = []
  redis.script = ([name, key]) => {
    if (name?.toString() === 'getrange') asked.push(key?.toString() ?? '')
    return false
  }
  t.equal((await (await replica()).pull(UNSIGNED)).status, 403)
  t.ok(asked.length > 2)
  for (const entry of entries) {
    for (const name of asked) redis.entries.set(name, entry)
    t.equal((await (await replica()).pull(UNSIGNED)).status, 403)
  }
})

t.test('after the shared memory was lost, an index that was in memory is told anew', async t => {
  const { redis, replica } = await replicas(t)
  const [a, b] = [await replica(), await replica()]
  t.equal((await a.pull('multi/manifests/latest')).status, 200)
  redis.entries.clear()
  for (const socket of redis.sockets) socket.destroy()
  for (const one of [a, b]) {
    await one.shared('down').catch(() => undefined) // it may be up again already
    await one.shared('up')
  }
  t.equal((await b.pull(CHILD)).status, 403, 'nobody knows')
  t.equal((await a.pull('multi/manifests/latest')).status, 200)
  t.equal((await b.pull(CHILD)).status, 200)
})

t.test('case 177: a refusal is not shared, and a fresh signature works at once', async t => {
  const { redis, registry, signer, replica } = await replicas(t)
  const [a, b] = [await replica(), await replica({ cache: { tags: 0, refused: 0 } })]
  const image = imageOf('late')
  registry.put('late', image, '1')
  t.equal((await a.pull('late/manifests/1')).status, 403)
  t.equal(redis.entries.size, 0)
  registry.sign('late', image.manifest, signer, 'example.org/late')
  t.equal((await b.pull('late/manifests/1')).status, 200)
})

t.test('case 178: a digest is shared for its own repository only', async t => {
  const { registry, replica } = await replicas(t)
  registry.put('other', child)
  const [a, b] = [await replica(), await replica()]
  t.equal((await a.pull('multi/manifests/latest')).status, 200)
  t.equal((await b.pull(`other/manifests/${child.manifest.digest}`)).status, 403)
})

t.test('the secret is long enough, or the gate does not start', async t => {
  const { replica, sharedConfig, secretFile } = await replicas(t)
  await t.rejects(replica({ shared: { ...sharedConfig, hmacKeyFile: secretFile(31) } }), /31 bytes, fewer than 32/)
  await t.rejects(
    replica({ shared: { ...sharedConfig, hmacKeyFile: '/nowhere' } }),
    /hmacKeyFile: \/nowhere cannot be read/,
  )
})

function flip(entry: Buffer, at: number): Buffer {
  entry[at] = (entry[at] ?? 0) ^ 1
  return entry
}

type Puller = Awaited<ReturnType<Awaited<ReturnType<typeof replicas>>['replica']>>

async function pullFrom(localAddress: string, { url }: Puller, name: string): Promise<{ readonly status: number }> {
  return new Promise((resolve, reject) => {
    const get = request(`${url}/v2/${name}`, { localAddress }, response => {
      response.resume()
      response.once('end', () => resolve({ status: response.statusCode ?? 0 }))
    })
    get.once('error', reject)
    get.end()
  })
}
