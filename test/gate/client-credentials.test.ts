import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createLogger } from '../../src/observe/logger.ts'
import { startEvilRegistry, type EvilRegistry } from '../support/evil-registry.ts'
import { startGate, temporaryDirectory, writePolicy } from '../support/gate.ts'
import { takePushes } from '../support/push-registry.ts'
import { basicGuard, usersGuard, type GuardUser } from '../support/registry-guard.ts'
import { ecdsaSigner, imageOf, indexOf, type Signer } from '../support/signer.ts'
import { get, HOST, signedPolicy, type Answer } from './scene.ts'
import { child, index, replicas } from './shared-scene.ts'

/** Registries that are asked with the login of whoever asks the gate: case 152. */

type Teardown = Parameters<typeof startGate>[0]

const ALICE = { username: 'alice', password: 'alice: her password', sees: ['team/app', 'team/multi'] }
const BOB = { username: 'bob', password: 'bob-his-password', sees: ['other/app'] }
/** Alice's own rights, at the same registry. */
const CAROL = { ...ALICE, username: 'carol', password: 'carol-her-password' }
const USERS = [ALICE, BOB, CAROL]

function as(
  { username, password }: GuardUser,
  init: { readonly headers?: Record<string, string>; method?: string } = {},
): RequestInit {
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  return { ...init, headers: { ...init.headers, authorization } }
}

type OwnScene = {
  readonly registry: EvilRegistry
  readonly signer: Signer
  readonly url: string
  readonly pull: (name: string, init?: RequestInit) => Promise<Answer>
  readonly log: () => string
}

async function ownScene(
  t: Teardown,
  kind: 'basic' | 'token',
  settings: Readonly<Record<string, unknown>> = {},
  registrySettings: object = {},
): Promise<OwnScene> {
  const registry = await startEvilRegistry(t)
  registry.guard = usersGuard(kind, { url: registry.url, users: USERS, open: ['open/app'] })
  const directory = temporaryDirectory(t)
  const signer = ecdsaSigner()
  const keyPath = join(directory, 'cosign.pub')
  writeFileSync(keyPath, signer.publicPem)
  for (const repository of ['team/app', 'other/app', 'open/app']) registry.putSigned(repository, '1', signer, HOST)
  registry.put('team/app', imageOf('unsigned'), 'unsigned')
  const lines: string[] = []
  const logger = createLogger('debug', { write: line => void lines.push(line) })
  const { url } = await startGate(
    t,
    {
      policy: writePolicy(directory, signedPolicy(keyPath)),
      registries: { [HOST]: { url: registry.url, credentials: 'client', ...registrySettings } },
      defaultRegistry: HOST,
      cache: { tags: 0, refused: 0 },
      ...settings,
    },
    logger,
  )
  return {
    registry,
    signer,
    url,
    pull: (name, init) => get(`${url}/v2/${name}`, init),
    log: () => lines.join('\n'),
  }
}

for (const kind of ['basic', 'token'] as const) {
  t.test(
    `who may see an image at the registry pulls it with a login of their own, by ${kind} authentication`,
    async t => {
      const { registry, pull, log } = await ownScene(t, kind)
      const digest = registry.manifests.get('team/app 1')?.digest ?? ''
      const layer = [...registry.blobs.keys()].find(key => key.startsWith('team/app '))?.split(' ')[1] ?? ''

      const anonymous = await pull('team/app/manifests/1')
      t.match(anonymous, { status: 401, code: 'UNAUTHORIZED' })
      t.equal(anonymous.headers.get('www-authenticate'), `Basic realm="${HOST}"`, 'a login is asked for')
      t.equal((await pull('open/app/manifests/1')).status, 200, 'what anybody may see needs none')

      t.equal((await pull('team/app/manifests/1', as(ALICE))).status, 200)
      t.equal((await pull(`team/app/manifests/${digest}`, as(ALICE))).status, 200)
      t.match(await pull('team/app/manifests/unsigned', as(ALICE)), {
        status: 403,
        message: /^blocked by image policy/,
      })
      t.equal((await pull(`team/app/blobs/${layer}`, as(ALICE))).status, 200)
      t.equal((await pull('team/app/tags/list', as(ALICE))).status, 200)
      t.equal((await pull(`team/app/referrers/${digest}`, as(ALICE))).status, 200)

      const seen = [
        `manifests/1`,
        `manifests/${digest}`,
        `manifests/unsigned`,
        `blobs/${layer}`,
        'tags/list',
        `referrers/${digest}`,
      ]
      for (const [who, init] of [
        ['nobody', undefined],
        ['bob', as(BOB)],
        ['alice with a wrong password', as({ ...ALICE, password: 'guessed' })],
        ['alice in other letters', as({ ...ALICE, username: 'Alice' })],
      ] as const) {
        for (const name of seen) {
          const { status, body } = await pull(`team/app/${name}`, init)
          t.ok(status === 401 || (status === 403 && kind === 'basic'), `${who}: ${name} is ${status}`)
          t.notMatch(body.toString(), 'blocked by image policy', 'and learns nothing of the verdict')
        }
      }
      t.equal((await pull('other/app/manifests/1', as(BOB))).status, 200, 'bob sees what is his')
      for (const { password } of USERS) t.notOk(log().includes(password), 'no password is in the log')
    },
  )
}

t.test('case 167: what was found out for one is asked anew for another, and remembered for the same', async t => {
  const { registry, pull } = await ownScene(t, 'basic')
  const digest = registry.manifests.get('team/app 1')?.digest ?? ''
  const name = `team/app/manifests/${digest}`
  const count = (): number => registry.count(name)
  t.equal((await pull(name, as(ALICE))).status, 200)
  const first = count()
  t.equal((await pull(name, as(ALICE))).status, 200)
  t.equal(count(), first, 'alice again: from memory')
  t.equal((await pull(name, as(CAROL))).status, 200)
  t.ok(count() > first, 'carol, who may see it too: the registry is asked')
  const signatures = registry.requests.filter(request => request.endsWith('.sig')).length
  t.equal(signatures, 2, 'and judged for each')
})

t.test('an accepted index lets its children out to who pulled it, and to nobody else', async t => {
  const { registry, signer, pull } = await ownScene(t, 'basic')
  registry.put('team/multi', child)
  registry.put('team/multi', { manifest: index, blobs: [] }, '1')
  registry.sign('team/multi', index, signer, `${HOST}/team/multi`)
  const name = `team/multi/manifests/${child.manifest.digest}`
  t.equal((await pull('team/multi/manifests/1', as(ALICE))).status, 200)
  t.equal((await pull(name, as(ALICE))).status, 200)
  t.equal((await pull(name, as(BOB))).status, 403)
  t.match(
    await pull(name, as(CAROL)),
    { status: 403, message: /^blocked by image policy/ },
    'she has not pulled the index',
  )
})

t.test('replicas share what was found out for the same login alone', async t => {
  const { registry, signer, replica } = await replicas(t)
  registry.guard = usersGuard('basic', {
    url: registry.url,
    users: [
      { ...ALICE, sees: ['multi'] },
      { ...CAROL, sees: ['multi'] },
    ],
  })
  registry.put('multi', { manifest: indexOf([imageOf('later').manifest]), blobs: [] }, 'later')
  registry.sign('multi', index, signer, `${HOST}/multi`)
  const own = { registries: { [HOST]: { url: registry.url, credentials: 'client' } } }
  const [a, b] = [await replica(own), await replica(own)]
  await Promise.all([a.shared('up'), b.shared('up')])
  const name = `multi/manifests/${child.manifest.digest}`
  t.equal((await a.pull('multi/manifests/latest', as(ALICE))).status, 200)
  t.equal((await b.pull(name, as(ALICE))).status, 200, 'the other replica knows what alice has pulled')
  t.equal((await b.pull(name, as(CAROL))).status, 403, 'and that carol has not')
  t.equal((await b.pull(name)).status, 401)
})

t.test('GET /v2/ is where clients look for what is wanted, and docker login for whether it is right', async t => {
  for (const kind of ['basic', 'token'] as const) {
    const { registry, pull } = await ownScene(t, kind)
    const asked = await pull('')
    t.equal(asked.status, 401)
    t.equal(asked.headers.get('www-authenticate'), `Basic realm="${HOST}"`)
    t.equal((await pull('', as(BOB))).status, 200)
    const wrong = await pull('', as({ ...BOB, password: 'guessed' }))
    t.match(wrong, { status: 401, code: 'UNAUTHORIZED' })
    t.ok(wrong.headers.has('www-authenticate'))
    t.notOk(
      registry.requests.some(request => request.includes('scope=')),
      'a login is for no repository',
    )
  }
  const { url } = await ownScene(t, 'basic', { defaultRegistry: undefined })
  t.equal((await get(`${url}/v2/`)).status, 401, 'the only registry is the one meant')
})

t.test('credentials that are none are refused here, and go nowhere', async t => {
  const { registry, pull } = await ownScene(t, 'basic')
  for (const authorization of [
    'Bearer abc',
    'Basic',
    'Basic !',
    'Digest username="alice"',
    `Basic ${Buffer.from('nocolon').toString('base64')}`,
  ]) {
    const answer = await pull('team/app/manifests/1', { headers: { authorization } })
    t.match(answer, { status: 401, code: 'UNAUTHORIZED' }, authorization)
  }
  t.same(registry.requests, [])
})

t.test('a login is shown to the registry that it is for, and to nobody else', async t => {
  const second = await startEvilRegistry(t)
  second.guard = usersGuard('basic', { url: second.url, users: USERS, open: [] })
  const own = await startEvilRegistry(t)
  const READER = { username: 'the-gate', password: 'its own' }
  own.guard = basicGuard(READER)
  own.put('app', imageOf('own'), '1')
  const first = await startEvilRegistry(t)
  first.guard = usersGuard('basic', { url: first.url, users: USERS })
  first.put('team/app', imageOf('first'), '1')
  second.put('team/app', imageOf('second'), '1')
  const { url } = await startGate(t, {
    policy: writePolicy(temporaryDirectory(t), { default: [{ type: 'insecureAcceptAnything' }] }),
    registries: {
      'first.example': { url: first.url, credentials: 'client' },
      'second.example': { url: second.url, credentials: 'client' },
      'own.example': { url: own.url, ...READER },
    },
    hostNames: { localhost: 'first.example' },
    defaultRegistry: 'first.example',
  })
  const byPath = await get(`${url}/v2/second.example/team/app/manifests/1`, as(ALICE))
  t.match(byPath, { status: 403, code: 'DENIED', message: /several registries.*host name/ }, 'by path: whose is it?')
  t.equal((await get(`${url}/v2/team/app/manifests/1`, as(ALICE))).status, 403, 'the default registry is no better')
  t.same([...first.requests, ...second.requests], [], 'and shown to neither')
  t.equal((await get(`${url}/v2/team/app/manifests/1?ns=second.example`, as(ALICE))).status, 200)
  const named = url.replace('127.0.0.1', 'localhost')
  t.equal((await get(`${named}/v2/team/app/manifests/1`, as(ALICE))).status, 200)
  t.equal((await get(`${url}/v2/app/manifests/1?ns=own.example`, as(ALICE))).status, 200, 'the gate has a login there')
  t.ok(
    own.headers.every(
      ({ authorization }) =>
        authorization === undefined || !authorization.includes(Buffer.from('alice').toString('base64').slice(0, 6)),
    ),
    'and shows no other',
  )
  const shown = first.headers.filter(({ authorization }) => authorization !== undefined).length
  t.equal((await get(`${named}/v2/app/manifests/1?ns=own.example`)).status, 200)
  t.equal(first.headers.filter(({ authorization }) => authorization !== undefined).length, shown)
})

t.test('what is pushed is pushed with the pusher’s own login, and there for all who may see it', async t => {
  const { registry, pull } = await ownScene(t, 'basic', { cache: { tags: 60, refused: 30 } }, { push: 'passthrough' })
  takePushes(registry)
  registry.on(/^PUT /, (request, response) => registry.guard(request, response))
  t.match(await pull('team/app/manifests/unsigned', as(CAROL)), { status: 403 })
  const signed = registry.manifests.get('team/app 1')
  if (signed === undefined) throw new Error('there is no such image')
  registry.headers.length = 0
  const put = await pull('team/app/manifests/unsigned', {
    ...as(ALICE, { headers: { 'content-type': signed.mediaType } }),
    method: 'PUT',
    body: new Uint8Array(signed.bytes),
  })
  t.equal(put.status, 201)
  t.same(
    registry.headers.map(({ authorization }) => authorization).filter(sent => sent !== undefined),
    [new Headers(as(ALICE).headers).get('authorization')],
  )
  t.equal((await pull('team/app/manifests/unsigned', as(CAROL))).status, 200, 'carol has it at once')
})

t.test('a docker configuration of the gate’s is for other registries', async t => {
  const file = join(temporaryDirectory(t), 'config.json')
  writeFileSync(file, '{}')
  const { registry, pull } = await ownScene(t, 'basic', { dockerConfig: file })
  const auth = Buffer.from(`${ALICE.username}:${ALICE.password}`).toString('base64')
  writeFileSync(file, JSON.stringify({ auths: { [new URL(registry.url).host]: { auth } } }))
  t.equal((await pull('team/app/manifests/1')).status, 401)
  t.ok(registry.headers.every(({ authorization }) => authorization === undefined))
})

t.test('a login that the registry takes back is over', async t => {
  const { registry, pull } = await ownScene(t, 'basic')
  t.equal((await pull('team/app/manifests/1', as(ALICE))).status, 200)
  registry.guard = usersGuard('basic', { url: registry.url, users: [BOB] })
  t.equal((await pull('team/app/manifests/1', as(ALICE))).status, 401)
})

t.test('case 160: no socket to the registry carries the requests of two logins', async t => {
  const { registry, pull } = await ownScene(t, 'basic')
  const users = new Map<object, Set<string>>()
  registry.on(/./, request => {
    const { authorization } = request.headers
    const seen = users.get(request.socket) ?? new Set()
    if (authorization !== undefined) seen.add(authorization)
    users.set(request.socket, seen)
    return false
  })
  for (let round = 0; round < 3; round += 1) {
    for (const user of [ALICE, CAROL]) t.equal((await pull('team/app/manifests/1', as(user))).status, 200)
    t.equal((await pull('open/app/manifests/1')).status, 200)
  }
  t.ok(users.size >= 3)
  for (const seen of users.values()) t.ok(seen.size <= 1)
})

t.test('more viewers than are remembered are served all the same', async t => {
  const { pull } = await ownScene(t, 'basic', { limits: { viewers: 1 } })
  for (const user of [ALICE, CAROL, ALICE, CAROL]) t.equal((await pull('team/app/manifests/1', as(user))).status, 200)
  t.equal((await pull('team/app/manifests/1', as(BOB))).status, 403)
})

t.test('settings that contradict it are named', async t => {
  const table: readonly {
    readonly it: string
    readonly settings: Readonly<Record<string, unknown>>
    readonly registry: object
    readonly says: RegExp
  }[] = [
    {
      it: 'a user',
      settings: {},
      registry: { username: 'a', password: 'b' },
      says: /\.username: has no use beside "credentials: client"/,
    },
    {
      it: 'mirrors',
      settings: {},
      registry: { mirrors: [{ url: 'https://m.example' }] },
      says: /\.mirrors: do not go with/,
    },
    {
      it: 'pushers',
      settings: { auth: { kind: 'none' } },
      registry: { push: 'passthrough', pushers: ['a'] },
      says: /\.pushers: do not go with/,
    },
    {
      it: 'auth',
      settings: { auth: { kind: 'htpasswd', file: '/x' } },
      registry: {},
      says: /registries\["example\.org"\]\.credentials: a client has one login/,
    },
    {
      it: 'signatures of another registry’s images',
      settings: { signatureRepositories: [{ scope: 'quay.io', repository: 'example.org/signatures' }] },
      registry: {},
      says: /signatureRepositories\[0\]\.repository: example\.org has "credentials: client"/,
    },
  ]
  for (const { it, settings, registry, says } of table)
    await t.rejects(ownScene(t, 'basic', settings, registry), says, it)
})
