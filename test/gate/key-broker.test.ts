import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startEvilRegistry } from '../support/evil-registry.ts'
import { startGate, temporaryDirectory, writePolicy } from '../support/gate.ts'
import { ecdsaSigner, imageOf } from '../support/signer.ts'
import { get, signedPolicy } from './scene.ts'

const base64 = (text: string): string => Buffer.from(text).toString('base64')

type Teardown = Parameters<typeof temporaryDirectory>[0]

/** A gate whose policy, key or both exist only in an offline-fs-kbc resources file. */
async function brokered(
  t: Teardown,
  options: {
    readonly policy: string | object
    readonly resources: Readonly<Record<string, string>>
    readonly config?: object
  },
) {
  const registry = await startEvilRegistry(t)
  const directory = temporaryDirectory(t)
  const file = join(directory, 'aa-offline_fs_kbc-resources.json')
  const write = (resources: Readonly<Record<string, string>>): void => writeFileSync(file, JSON.stringify(resources))
  write(options.resources)
  const running = await startGate(t, {
    policy: options.policy,
    registries: { 'example.org': { url: registry.url } },
    cache: { tags: 0, refused: 0 },
    keyBroker: { kind: 'offline-fs', address: file, refresh: 0.2, ...options.config },
  })
  const pull = (name: string) => get(`${running.url}/v2/example.org/${name}`)
  const ready = async () => {
    const answer = await get(`${running.adminUrl}/readyz`)
    return { ...JSON.parse(answer.body.toString()), status: answer.status }
  }
  return { ...running, registry, directory, file, write, pull, ready }
}

/** Waits until a question is answered as wanted, for at most five seconds. */
async function eventually(
  t: { fail: (message: string) => unknown; pass: (message: string) => unknown },
  it: string,
  isSo: () => Promise<boolean>,
): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    if (await isSo()) return void t.pass(it)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  t.fail(it)
}

const KEY_PATH = '/run/image-security/cosign-test-that-is-not-there/cosign.pub'

t.test("the issue's example: the policy on disk, its keyPath not; the cosign key comes from the broker", async t => {
  const signer = ecdsaSigner()
  const policyFile = writePolicy(temporaryDirectory(t), signedPolicy(KEY_PATH))
  for (const name of ['Cosign Key', 'default/cosign-public-key/test']) {
    const gate = await brokered(t, { policy: policyFile, resources: { [name]: base64(signer.publicPem) } })
    gate.registry.putSigned('test', '1', signer, 'example.org')
    gate.registry.put('unsigned', imageOf('unsigned'), '1')
    t.equal((await gate.pull('test/manifests/1')).status, 200, name)
    t.equal((await gate.pull('unsigned/manifests/1')).status, 403)
    const metrics = (await get(`${gate.adminUrl}/metrics`)).body.toString()
    t.match(metrics, /sealgate_broker_seconds_count\{kind="offline-fs",outcome="given"\} [1-9]/)
  }
})

t.test('with the file the file wins, and its going brings the broker back', async t => {
  const [onDisk, atBroker] = [ecdsaSigner(), ecdsaSigner()]
  const keyPath = join(temporaryDirectory(t), 'cosign.pub')
  writeFileSync(keyPath, onDisk.publicPem)
  const gate = await brokered(t, {
    policy: writePolicy(temporaryDirectory(t), signedPolicy(keyPath)),
    resources: { 'Cosign Key': base64(atBroker.publicPem) },
  })
  gate.registry.putSigned('disk', '1', onDisk, 'example.org')
  gate.registry.putSigned('broker', '1', atBroker, 'example.org')
  t.same([(await gate.pull('disk/manifests/1')).status, (await gate.pull('broker/manifests/1')).status], [200, 403])
  rmSync(keyPath)
  t.same([(await gate.pull('disk/manifests/1')).status, (await gate.pull('broker/manifests/1')).status], [403, 200])
})

t.test('cases 172, 200: a policy and a key that exist only at the broker, refreshed while pulls go on', async t => {
  const [oldSigner, newSigner] = [ecdsaSigner(), ecdsaSigner()]
  const policy = JSON.stringify(signedPolicy('kbs:///default/cosign-public-key/test'))
  const resources = (publicPem: string): Readonly<Record<string, string>> => ({
    'default/security-policy/test': base64(policy),
    'default/cosign-public-key/test': base64(publicPem),
  })
  const gate = await brokered(t, {
    policy: 'kbs:///default/security-policy/test',
    resources: resources(oldSigner.publicPem),
  })
  gate.registry.putSigned('old', '1', oldSigner, 'example.org')
  gate.registry.putSigned('new', '1', newSigner, 'example.org')
  t.same([(await gate.pull('old/manifests/1')).status, (await gate.pull('new/manifests/1')).status], [200, 403])
  gate.write(resources(newSigner.publicPem))
  await eventually(t, 'the new key is taken in', async () => (await gate.pull('new/manifests/1')).status === 200)
  t.equal((await gate.pull('old/manifests/1')).status, 403, 'and the old one is gone')
})

t.test('the policy by its name of 2022', async t => {
  const signer = ecdsaSigner()
  const gate = await brokered(t, {
    policy: { resource: 'Policy' },
    resources: { Policy: base64(JSON.stringify(signedPolicy(KEY_PATH))), 'Cosign Key': base64(signer.publicPem) },
  })
  gate.registry.putSigned('test', '1', signer, 'example.org')
  t.equal((await gate.pull('test/manifests/1')).status, 200)
})

t.test('resources: which resource stands for a path', async t => {
  const [one, two] = [ecdsaSigner(), ecdsaSigner()]
  const policy = {
    default: [{ type: 'reject' }],
    transports: {
      docker: {
        'example.org/one': [{ type: 'sigstoreSigned', keyPath: '/keys/one.pub' }],
        'example.org/two': [{ type: 'sigstoreSigned', keyPath: '/keys/two.pub' }],
      },
    },
  }
  const gate = await brokered(t, {
    policy: writePolicy(temporaryDirectory(t), policy),
    resources: { 'teams/keys/one': base64(one.publicPem), 'teams/keys/two': base64(two.publicPem) },
    config: { resources: { '/keys/one.pub': 'kbs:///teams/keys/one', '/keys/two.pub': 'kbs:///teams/keys/two' } },
  })
  gate.registry.putSigned('one', '1', one, 'example.org')
  gate.registry.putSigned('two', '1', two, 'example.org')
  t.same([(await gate.pull('one/manifests/1')).status, (await gate.pull('two/manifests/1')).status], [200, 200])
})

t.test(
  'cases 184, 185, 187 to 189, 193: what the broker cannot give leaves nothing through at the start, and the last good policy later',
  async t => {
    const signer = ecdsaSigner()
    const other = ecdsaSigner()
    const policyFile = writePolicy(temporaryDirectory(t), signedPolicy(KEY_PATH))
    const good = { 'Cosign Key': base64(signer.publicPem) }
    const faults: readonly { it: string; resources: Readonly<Record<string, string>>; says: RegExp }[] = [
      { it: 'an unknown resource', resources: {}, says: /Cosign|cosign/ },
      { it: 'an empty resource (187)', resources: { 'Cosign Key': '' }, says: /empty/ },
      { it: 'broken base64 (188)', resources: { 'Cosign Key': '!!!!' }, says: /base64/ },
      {
        it: 'a private key',
        resources: {
          'Cosign Key': base64(['BEGIN', 'END'].map(word => `-----${word} PRIVATE KEY-----`).join('\nx\n')),
        },
        says: /private key/,
      },
      { it: 'something that is no key', resources: { 'Cosign Key': base64('hello') }, says: /PUBLIC KEY/ },
      {
        it: 'something oversized (193)',
        resources: { 'Cosign Key': base64('x'.repeat(1024 * 1024 + 1)) },
        says: /more than|larger/,
      },
    ]
    for (const { it, resources, says } of faults) {
      const gate = await brokered(t, { policy: policyFile, resources })
      gate.registry.putSigned('test', '1', signer, 'example.org')
      const refused = await gate.pull('test/manifests/1')
      t.equal(refused.status, 503, `${it}: at the start`)
      t.equal(refused.code, 'UNAVAILABLE')
      t.ok(Number(refused.headers.get('retry-after')) > 0)
      t.match(await gate.ready(), { status: 503, problem: says })
      gate.write(good)
      await eventually(t, `${it}: mended`, async () => (await gate.pull('test/manifests/1')).status === 200)
      gate.write(resources)
      await eventually(t, `${it}: later`, async () => (await gate.ready()).problem !== undefined)
      t.equal((await gate.pull('test/manifests/1')).status, 200, `${it}: the last good policy is in force`)
    }
    const gate = await brokered(t, { policy: policyFile, resources: { 'Cosign Key': base64(other.publicPem) } })
    gate.registry.putSigned('test', '1', signer, 'example.org')
    t.equal((await gate.pull('test/manifests/1')).status, 403, 'another key (189): refused, and said by whom')
  },
)

t.test('case 187: a broker’s policy that says nothing is none, and never "nothing is asked for"', async t => {
  const signer = ecdsaSigner()
  const resources = (policy: string): Readonly<Record<string, string>> => ({
    'default/security-policy/test': base64(policy),
    'default/cosign-public-key/test': base64(signer.publicPem),
  })
  const good = resources(JSON.stringify(signedPolicy(KEY_PATH)))
  for (const policy of ['', ' \n', '{}', 'null', '[]', '""', '{"default":[]}', '{"default":null}']) {
    const gate = await brokered(t, { policy: 'kbs:///default/security-policy/test', resources: resources(policy) })
    gate.registry.putSigned('test', '1', signer, 'example.org')
    gate.registry.put('unsigned', imageOf('unsigned'), '1')
    t.equal((await gate.pull('unsigned/manifests/1')).status, 503, `${JSON.stringify(policy)}: at the start`)
    t.equal((await gate.ready()).status, 503)
    gate.write(good)
    await eventually(t, 'mended', async () => (await gate.pull('test/manifests/1')).status === 200)
    gate.write(resources(policy))
    await eventually(t, 'and broken again', async () => (await gate.ready()).problem !== undefined)
    t.equal((await gate.pull('unsigned/manifests/1')).status, 403, 'the last good one is in force')
    t.equal((await gate.pull('test/manifests/1')).status, 200)
  }
})

t.test('case 185: maxAge: pulls stop when the last good policy is too old', async t => {
  const signer = ecdsaSigner()
  const policyFile = writePolicy(temporaryDirectory(t), signedPolicy(KEY_PATH))
  const gate = await brokered(t, {
    policy: policyFile,
    resources: { 'Cosign Key': base64(signer.publicPem) },
    config: { maxAge: 0.5 },
  })
  gate.registry.putSigned('test', '1', signer, 'example.org')
  t.equal((await gate.pull('test/manifests/1')).status, 200)
  const saved = readFileSync(gate.file)
  rmSync(gate.file)
  await eventually(t, 'too old', async () => (await gate.pull('test/manifests/1')).status === 503)
  t.equal((await gate.ready()).status, 503)
  writeFileSync(gate.file, saved)
  await eventually(t, 'and back', async () => (await gate.pull('test/manifests/1')).status === 200)
})
