import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createLogger } from '../../src/observe/logger.ts'
import { startEvilRegistry } from '../support/evil-registry.ts'
import { startGate, temporaryDirectory, writePolicy } from '../support/gate.ts'
import { ecdsaSigner, imageOf, indexOf } from '../support/signer.ts'
import { get, signedPolicy } from './scene.ts'

type Teardown = Parameters<typeof temporaryDirectory>[0]

const ACCEPT = { default: [{ type: 'insecureAcceptAnything' }] }
const REJECT = { default: [{ type: 'reject' }] }

/** A gate with a shadow policy, in front of a registry with a signed and an unsigned image. */
async function shadowed(
  t: Teardown,
  options: {
    readonly policy?: (keyPath: string) => object
    readonly shadow?: (keyPath: string) => object | string
    readonly config?: (directory: string) => object
  },
) {
  const registry = await startEvilRegistry(t)
  const directory = temporaryDirectory(t)
  const signer = ecdsaSigner()
  const keyPath = join(directory, 'cosign.pub')
  writeFileSync(keyPath, signer.publicPem)
  const shadowFile = join(directory, 'shadow.json')
  if (options.shadow !== undefined) writePolicy(directory, options.shadow(keyPath), 'shadow.json')
  const lines: { readonly msg: string; readonly [key: string]: unknown }[] = []
  const { gate, url, adminUrl } = await startGate(
    t,
    {
      policy: writePolicy(directory, (options.policy ?? signedPolicy)(keyPath)),
      ...(options.shadow === undefined ? {} : { shadowPolicy: shadowFile }),
      registries: { 'example.org': { url: registry.url } },
      cache: { tags: 0, refused: 0 },
      audit: { file: join(directory, 'audit.jsonl') },
      ...options.config?.(directory),
    },
    createLogger('info', { write: (line: string) => void lines.push(JSON.parse(line)) }),
  )
  registry.putSigned('signed', '1', signer, 'example.org')
  registry.put('unsigned', imageOf('unsigned'), '1')
  return {
    gate,
    adminUrl,
    registry,
    signer,
    directory,
    keyPath,
    shadowFile,
    pull: (name: string, init?: RequestInit) => get(`${url}/v2/example.org/${name}`, init),
    differences: () => lines.filter(({ msg }) => msg === 'the shadow policy differs'),
    metrics: async () => (await get(`${adminUrl}/metrics`)).body.toString(),
    ready: async () => JSON.parse((await get(`${adminUrl}/readyz`)).body.toString()),
    audited: async () => {
      await gate.close()
      const text = readFileSync(join(directory, 'audit.jsonl'), 'utf8').trim()
      return text.split('\n').map(line => JSON.parse(line))
    },
  }
}

async function until(isSo: () => Promise<boolean> | boolean): Promise<boolean> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    if (await isSo()) return true
    await sleep(25)
  }
  return false
}

t.test('each pair of verdicts: what is logged, counted, explained and recorded, while the answer stays', async t => {
  const table = [
    { it: 'looser', policy: signedPolicy, shadow: () => ACCEPT, image: 'unsigned', pair: ['refused', 'accepted'] },
    { it: 'stricter', policy: signedPolicy, shadow: () => REJECT, image: 'signed', pair: ['accepted', 'refused'] },
    { it: 'now signed', policy: () => ACCEPT, shadow: signedPolicy, image: 'unsigned', pair: ['accepted', 'refused'] },
    { it: 'the same', policy: signedPolicy, shadow: signedPolicy, image: 'signed', pair: ['accepted', 'accepted'] },
    { it: 'refused too', policy: signedPolicy, shadow: () => REJECT, image: 'unsigned', pair: ['refused', 'refused'] },
  ] as const
  for (const { it, policy, shadow, image, pair } of table) {
    const [inForce, other] = pair
    const differs = inForce !== other
    const { pull, differences, metrics, audited, adminUrl } = await shadowed(t, { policy, shadow })
    t.equal((await pull(`${image}/manifests/1`)).status, inForce === 'accepted' ? 200 : 403, it)
    const counted = new RegExp(
      `sealgate_shadow_verdicts_total\\{verdict="${inForce}",shadow="${other}",reason="[a-z-]+"\\} 1\n`,
    )
    t.ok(await until(async () => counted.test(await metrics())), `${it}: counted`)
    const logged = differences()
    t.equal(logged.length, differs ? 1 : 0, `${it}: logged`)
    const reference = `example.org/${image}:1`
    const comparison = { verdict: other, differs, reason: /./, code: /./, scope: /./ }
    for (const line of logged) {
      t.match(line, { reference, digest: /^sha256:/, verdict: inForce, shadow: other, reason: /./ })
      const explained = JSON.parse((await get(`${adminUrl}/explain/${String(line['id'])}`)).body.toString())
      t.match(explained, { reference, verdict: inForce, shadow: comparison }, `${it}: explained`)
    }
    t.match(await audited(), [{ reference, verdict: inForce, shadow: comparison }], `${it}: recorded`)
  }
})

t.test('the answer is the same to the byte, with a shadow policy or without', async t => {
  const answers = []
  for (const shadow of [undefined, () => REJECT, () => 'broken']) {
    const { pull, registry, signer } = await shadowed(t, shadow === undefined ? {} : { shadow })
    registry.sign('fixed', registry.put('fixed', imageOf('fixed'), '1'), signer, 'example.org/fixed')
    for (const method of ['HEAD', 'GET']) {
      for (const name of ['fixed', 'unsigned', 'missing']) {
        const { status, body, headers } = await pull(`${name}/manifests/1`, { method })
        const text = body.toString().replace(/[0-9a-f]{12}\b|127\.0\.0\.1:\d+/g, '')
        answers.push([method, name, status, text, headers.get('x-sealgate-verdict')?.replace(/id=.*/, '')])
      }
    }
  }
  t.same(answers.slice(6, 12), answers.slice(0, 6))
  t.same(answers.slice(12), answers.slice(0, 6))
})

t.test('it uses the look-ups of the verdict, and what is remembered is not compared at each pull', async t => {
  const asked: (readonly string[])[] = []
  for (const options of [{}, { shadow: () => ({ default: [{ type: 'reject' }] }) }, { shadow: signedPolicy }]) {
    const { pull, registry, metrics } = await shadowed(t, options)
    for (let n = 0; n < 3; n += 1) t.equal((await pull('signed/manifests/1')).status, 200)
    if ('shadow' in options) {
      const total = async () => /sealgate_shadow_verdicts_total\{.*\} (\d+)/.exec(await metrics())?.[1]
      t.ok(await until(async () => (await total()) !== undefined))
      t.equal(await total(), '1')
    }
    asked.push([...registry.requests].sort())
  }
  t.same(asked[1], asked[0])
  t.same(asked[2], asked[0], 'a shadow that asks for signatures makes no request of its own')
})

t.test('children of an index, and the digest that a tag was said to be, are judged as they were pulled', async t => {
  // A scope for the tag alone: the digest passes because the tag did, under both policies.
  const policy = (keyPath: string): object => ({
    default: [{ type: 'reject' }],
    transports: { docker: { 'example.org/multi:1': [{ type: 'sigstoreSigned', keyPath }] } },
  })
  const { pull, registry, signer, differences, audited } = await shadowed(t, { policy, shadow: policy })
  const child = registry.put('multi', imageOf('child'))
  const index = registry.put('multi', { manifest: indexOf([child]), blobs: [] }, '1')
  registry.sign('multi', index, signer, 'example.org/multi')
  for (const name of ['1', index.digest, child.digest]) {
    t.equal((await pull(`multi/manifests/${name}`, { method: 'HEAD' })).status, 200, name)
    t.equal((await pull(`multi/manifests/${name}`)).status, 200, name)
  }
  const records = await audited()
  t.same(
    records.map(({ shadow }) => shadow.verdict),
    ['accepted', 'accepted', 'accepted', 'accepted', 'accepted', 'accepted'],
  )
  t.same(differences(), [])
})

t.test('a shadow that has not met the index or the tag asks about them first', async t => {
  const forTheTag = (keyPath: string): object => ({
    default: [{ type: 'reject' }],
    transports: { docker: { 'example.org/multi:1': [{ type: 'sigstoreSigned', keyPath }] } },
  })
  for (const { it, policy } of [
    { it: 'index', policy: signedPolicy },
    { it: 'tag', policy: forTheTag },
  ] as const) {
    const { pull, registry, signer, differences, metrics, shadowFile } = await shadowed(t, { policy, shadow: policy })
    const child = registry.put('multi', imageOf('child'))
    const index = registry.put('multi', { manifest: indexOf([child]), blobs: [] }, '1')
    registry.sign('multi', index, signer, 'example.org/multi')
    const compared = async (): Promise<number> =>
      [...(await metrics()).matchAll(/^sealgate_shadow_verdicts_total\{.*\} (\d+)/gm)].reduce(
        (sum, [, count]) => sum + Number(count),
        0,
      )
    t.equal((await pull('multi/manifests/1', { method: 'HEAD' })).status, 200)
    t.ok(await until(async () => (await compared()) === 1))
    // Another shadow policy now, as on a replica where neither was pulled.
    writeFileSync(shadowFile, `${readFileSync(shadowFile, 'utf8')} `)
    const { digest } = it === 'index' ? child : index
    t.equal((await pull(`multi/manifests/${digest}`)).status, 200)
    t.ok(await until(async () => (await compared()) === 2))
    t.same(differences(), [], it)
  }
})

t.test('a shadow policy that cannot be loaded fails no pull and says so; mended, it counts', async t => {
  const { pull, shadowFile, metrics, ready, differences } = await shadowed(t, { shadow: () => '{' })
  t.equal((await pull('signed/manifests/1')).status, 200)
  t.ok(
    await until(async () => (await metrics()).includes('sealgate_shadow_skipped_total{reason="unavailable"} 1')),
    'skipped',
  )
  t.match(await metrics(), 'sealgate_shadow_policy_loads_total{outcome="failed"} 1')
  t.match(await ready(), { status: 'ready', shadowPolicy: { problem: /shadow\.json/ } })
  writeFileSync(shadowFile, JSON.stringify(REJECT))
  t.equal((await pull('signed/manifests/1')).status, 200)
  t.ok(await until(() => differences().length === 1), 'compared with the next pull')
  t.match(await ready(), { status: 'ready', shadowPolicy: { id: /^[0-9a-f]{64}$/, problem: undefined } })
  // As for the policy: what cannot be used leaves the last good one in use, and a change counts with the next pull.
  rmSync(shadowFile)
  t.equal((await pull('unsigned/manifests/1')).status, 403)
  t.ok(await until(async () => (await metrics()).includes('verdict="refused",shadow="refused",reason="reject"} 1')))
  writeFileSync(shadowFile, JSON.stringify(ACCEPT))
  t.equal((await pull('unsigned/manifests/1')).status, 403)
  t.ok(await until(() => differences().length === 2), 'the new one')
})

t.test('its look-ups never keep a client waiting', async t => {
  const { pull, registry, differences, gate } = await shadowed(t, { policy: () => ACCEPT, shadow: signedPolicy })
  const held: (() => void)[] = []
  registry.on(/\/(?:referrers|manifests)\/sha256/, (_request, response) => {
    held.push(() => response.writeHead(404).end())
    return true
  })
  for (let n = 0; n < 3; n += 1) t.equal((await pull('unsigned/manifests/1')).status, 200, 'answered meanwhile')
  t.ok(await until(() => held.length > 0), 'the shadow is looking')
  t.equal(differences().length, 0)
  registry.on(/./, () => false)
  while (differences().length === 0) {
    for (const answer of held.splice(0)) answer()
    await sleep(10)
  }
  t.match(differences(), [{ verdict: 'accepted', shadow: 'refused' }])
  await gate.close()
})

t.test('policy and key may come from the key broker', async t => {
  const base64 = (text: string): string => Buffer.from(text).toString('base64')
  const { pull, differences, ready } = await shadowed(t, {
    policy: () => ACCEPT,
    config: directory => {
      const address = join(directory, 'resources.json')
      const policy = JSON.stringify(signedPolicy('kbs:///default/cosign-public-key/test'))
      const resources = {
        'default/security-policy/shadow': base64(policy),
        'default/cosign-public-key/test': base64(ecdsaSigner().publicPem),
      }
      writeFileSync(address, JSON.stringify(resources))
      return {
        shadowPolicy: 'kbs:///default/security-policy/shadow',
        keyBroker: { kind: 'offline-fs', address, refresh: 0.2 },
      }
    },
  })
  t.equal((await pull('signed/manifests/1')).status, 200)
  t.ok(await until(() => differences().length === 1), 'signed by another key')
  t.match(differences(), [{ verdict: 'accepted', shadow: 'refused', code: 'UNTRUSTED_SIGNER' }])
  t.match(await ready(), { shadowPolicy: { problem: undefined } })
})
