import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { run } from '../../src/cli/run.ts'
import { createLogger } from '../../src/observe/logger.ts'
import { attachedKeyless } from '../support/attached-keyless.ts'
import { startEvilRegistry } from '../support/evil-registry.ts'
import { startGate, temporaryDirectory, writePolicy } from '../support/gate.ts'
import { certify, ISSUER, minutes, SUBJECT, trustedRootOf, type Json } from '../support/local-sigstore.ts'
import { blobOf, ecdsaSigner, imageOf, SIMPLE_SIGNING, sigManifest, sigTag } from '../support/signer.ts'
import { filesOf, rootOf, startTufServer, tufKeys, type Files } from '../support/tuf-repository.ts'
import { authority } from '../support/x509.ts'
import { get } from './scene.ts'

const keys = { root: [tufKeys()], timestamp: [tufKeys()], snapshot: [tufKeys()], targets: [tufKeys()] }
const NAME = 'trusted_root.json'
const good = trustedRootOf([])
const stranger = authority('fulcio', { notBefore: minutes(-600), notAfter: minutes(600) })
/** The same sigstore with another Fulcio: nothing that ours has certified is good. */
const other = trustedRootOf([], (root: Json) => {
  const [first] = root['certificateAuthorities'] as Json[]
  if (first !== undefined) first['certChain'] = { certificates: [{ rawBytes: stranger.der.toString('base64') }] }
})

const repository = (version: number, root: Buffer): Files => filesOf(keys, { version, targets: { [NAME]: root } })

function policy(trustedRootPath = `tuf:${NAME}`): object {
  const requirement = {
    type: 'sealgate.sigstoreIdentity',
    trustedRootPath,
    identities: [{ issuer: ISSUER, subject: SUBJECT }],
  }
  return { default: [{ type: 'reject' }], transports: { docker: { 'example.org': [requirement] } } }
}

type Teardown = Parameters<typeof temporaryDirectory>[0]

/** A gate whose trusted root comes by TUF, with a keyless image `app:1` behind it. */
async function scene(t: Teardown, files: Files) {
  const registry = await startEvilRegistry(t)
  const mirror = await startTufServer(t)
  mirror.files = files
  const directory = temporaryDirectory(t)
  writeFileSync(join(directory, 'root.json'), rootOf({ keys }))
  const policyFile = writePolicy(directory, policy())
  const tuf = {
    mirror: mirror.url,
    root: join(directory, 'root.json'),
    cache: join(directory, 'cache'),
    refresh: 0.1,
    timeout: 10,
  }
  const config = { policy: policyFile, registries: { 'example.org': { url: registry.url } }, tuf }
  const image = registry.put('app', imageOf('tuf'), '1')
  const { payload, annotations } = await attachedKeyless(image.digest, 'example.org/app', {
    leaf: certify({ notBefore: minutes(-66), notAfter: minutes(-56) }),
    integratedAt: minutes(-65),
  })
  registry.put('app', sigManifest([{ payload: blobOf(payload, SIMPLE_SIGNING), annotations }]), sigTag(image.digest))
  const lines: string[] = []
  const logger = createLogger('info', { write: line => void lines.push(line) })
  const running = await startGate(t, { ...config, cache: { tags: 0, refused: 0 } }, logger)
  const pull = async (): Promise<number> => (await get(`${running.url}/v2/example.org/app/manifests/1`)).status
  const ready = async () => {
    const answer = await get(`${running.adminUrl}/readyz`)
    return { ...JSON.parse(answer.body.toString()), code: answer.status }
  }
  const metrics = async (): Promise<string> => (await get(`${running.adminUrl}/metrics`)).body.toString()
  return { ...running, registry, mirror, directory, policyFile, config, lines, pull, ready, metrics }
}

async function eventually(
  t: { fail: (message: string) => unknown; pass: (message: string) => unknown },
  it: string,
  isSo: () => Promise<boolean>,
): Promise<void> {
  for (let attempt = 0; attempt < 400; attempt += 1) {
    if (await isSo()) return void t.pass(it)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  t.fail(it)
}

t.test('case 172: a trusted root by TUF: taken in when it is new, kept when the mirror is bad, and said', async t => {
  const gate = await scene(t, repository(1, good))
  t.equal(await gate.pull(), 200)
  t.notOk('stale' in (await gate.ready()))
  t.match(await gate.metrics(), /^sealgate_stale_materials 0$/m)

  gate.mirror.files = repository(2, other)
  await eventually(t, 'an authority that is gone counts for nothing', async () => (await gate.pull()) === 403)

  gate.mirror.files = repository(1, good)
  await eventually(t, 'an older repository is told', async () => 'stale' in (await gate.ready()))
  t.equal(await gate.pull(), 403, 'and not taken back')
  t.match(await gate.ready(), { code: 200, status: 'ready', stale: [/^tuf:trusted_root\.json: .*version 1 is less/] })
  t.match(await gate.metrics(), /^sealgate_stale_materials 1$/m)
  t.match(await gate.metrics(), /^sealgate_policy_loads_total\{outcome="stale"\} [1-9]/m)
  t.ok(gate.lines.some(line => line.includes('not refreshed; the last good one stays in force')))

  gate.mirror.files = repository(3, good)
  await eventually(t, 'a good mirror again', async () => (await gate.pull()) === 200)
  t.notOk('stale' in (await gate.ready()))

  gate.mirror.files = repository(4, Buffer.from('{}'))
  await eventually(t, 'a trusted root that is none is told', async () => 'stale' in (await gate.ready()))
  t.match((await gate.ready()).stale[0], /no usable trusted root/)
  t.equal(await gate.pull(), 200)

  await gate.mirror.stop()
  await eventually(t, 'a mirror that is down', async () => /cannot be reached/.test((await gate.ready()).stale[0]))
  t.equal(await gate.pull(), 200)
  const signer = ecdsaSigner()
  writeFileSync(join(gate.directory, 'cosign.pub'), signer.publicPem)
  writePolicy(gate.directory, {
    default: [{ type: 'reject' }],
    transports: { docker: { 'example.org': [{ type: 'sigstoreSigned', keyPath: 'cosign.pub' }] } },
  })
  t.equal(await gate.pull(), 403, 'a changed policy counts all the same')
})

t.test('never had: no pull is judged until the mirror is there', async t => {
  const gate = await scene(t, new Map())
  t.equal(await gate.pull(), 503)
  t.match(await gate.ready(), { code: 503, problem: /tuf|trusted_root/ })
  gate.mirror.files = repository(1, good)
  await eventually(t, 'and then they are', async () => (await gate.pull()) === 200)
})

t.test('over a restart the cache stands in for a mirror that is down', async t => {
  const gate = await scene(t, repository(1, good))
  t.equal(await gate.pull(), 200)
  await gate.mirror.stop()
  const again = await startGate(t, { ...gate.config, tuf: { ...gate.config.tuf, refresh: 3600 } })
  t.equal((await get(`${again.url}/v2/example.org/app/manifests/1`)).status, 200)
  const staleNow = async (): Promise<unknown> =>
    JSON.parse((await get(`${again.adminUrl}/readyz`)).body.toString()).stale
  t.match(await staleNow(), [/cannot be reached/])
  await gate.mirror.start()
  await eventually(t, 'and is tried again long before it is due', async () => (await staleNow()) === undefined)
})

t.test('the command line loads it too, and says where it came from', async t => {
  const gate = await scene(t, repository(1, good))
  const file = join(gate.directory, 'sealgate.yaml')
  const { tuf, ...plain } = gate.config
  const sealgate = async (...args: readonly string[]): Promise<string> => {
    let said = ''
    const exit = await run(args, {
      stdout: text => void (said += text),
      stderr: text => void (said += text),
      onSignal: () => {},
    })
    return `${exit} ${said}`
  }
  writeFileSync(file, JSON.stringify({ ...plain, tuf }))
  t.match(await sealgate('keys', '--config', file), `TUF ${gate.mirror.url}`)
  t.match(await sealgate('verify', 'example.org/app:1', '--config', file), /^0 accepted/)
  t.match(await sealgate('policy', 'check', gate.policyFile, '--config', file, '--keys'), /^0 .*TUF http/s)
  writeFileSync(file, JSON.stringify(plain))
  t.match(
    await sealgate('verify', 'example.org/app:1', '--config', file),
    /tuf:trusted_root\.json: no tuf is configured/,
  )
  for (const [setting, change] of [
    ['tuf.root', { root: join(gate.directory, 'nothing') }],
    ['the pinned root is no TUF root', { root: gate.policyFile }],
    ['tuf.ca', { ca: join(gate.directory, 'nothing') }],
    ['cannot be used as a cache', { cache: gate.policyFile }],
    ['tuf.mirror: expected an http', { mirror: 'ftp://example.org' }],
    ['tuf.mirror: expected an http', { mirror: 'https://a:b@example.org' }],
  ] as const) {
    writeFileSync(file, JSON.stringify({ ...plain, tuf: { ...tuf, ...change } }))
    const said = await sealgate('verify', 'example.org/app:1', '--config', file)
    t.ok(said.includes(setting), `${setting}: ${said}`)
  }
})
