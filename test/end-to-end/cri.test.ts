import { hashSync } from 'bcryptjs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { clientConfig } from '../../src/nodes/client-config/generate.ts'
import { createAuthority } from '../support/certificates.ts'
import { containerdVersion, startCri } from './support/cri.ts'
import { refusedIn } from './support/decisions.ts'
import { startGate } from './support/gate.ts'
import { findProgram, findPrograms } from './support/programs.ts'
import { sceneTest } from './support/scene-test.ts'
import { READER, startTokenRegistry } from './support/token-registry.ts'

const NAME = 'registry.example'
const LOGIN = { username: 'kubelet', password: 'of the pull secret' } as const

/**
 * A Kubernetes node: containerd's CRI plugin, asked as kubelet and crictl ask it, on the /etc/containerd that
 * `sealgate client-config` writes. In front of a registry with token authentication; plain, and over TLS with a pull secret.
 */
sceneTest('containerd by its CRI', async (t, scene) => {
  const found = findPrograms()
  if (!('programs' in found)) throw new Error(found.missing)
  const { programs } = found
  const { directory, publisher, registry } = scene
  const publicKey = await publisher.createKeyPair('cosign')
  const digests = new Map([
    ['signed', await publisher.pushImage('signed:latest', 'signed')],
    ['multiarch', await publisher.pushIndex('multiarch', 'multiarch')],
    ['unsigned', await publisher.pushImage('unsigned:latest', 'unsigned')],
  ])
  for (const repository of ['signed', 'multiarch']) {
    await publisher.sign(`${repository}:latest`, 'cosign', `${NAME}/${repository}`)
  }
  const upstream = await startTokenRegistry(programs, {
    directory: join(directory, 'tokens'),
    data: registry.data ?? '',
  })
  scene.also(upstream)
  const authority = createAuthority(directory, 'cri-ca')
  const certificate = authority.issue('gate')
  const users = join(directory, 'users')
  await writeFile(users, `${LOGIN.username}:${hashSync(LOGIN.password, 5)}\n`)
  const secured = {
    tls: { cert: certificate.certFile, key: certificate.keyFile },
    auth: { kind: 'htpasswd', file: users },
  }
  const policy = {
    default: [{ type: 'reject' }],
    transports: { docker: { [NAME]: [{ type: 'sigstoreSigned', keyPath: publicKey }] } },
  }
  const registries = { [NAME]: { url: `http://${upstream.host}`, tokenHosts: [upstream.tokenHost], ...READER } }

  const ways = [
    { it: 'plain', settings: {}, address: { tls: false }, login: undefined, said: true },
    { it: 'plain, its version not said', settings: {}, address: { tls: false }, login: undefined, said: false },
    {
      it: 'over TLS, with a login',
      settings: secured,
      address: { tls: true, caPath: authority.file },
      login: LOGIN,
      said: true,
    },
  ]
  const second = findProgram('containerd2')
  if (second === undefined && process.env['CI'] === 'true') t.fail('needs containerd2')
  const runtimes = [programs.containerd, ...(second === undefined ? [] : [second])]
  const table = runtimes.flatMap(program => ways.map(way => ({ program, ...way })))
  for (const [number, { program, it, settings, address, login, said }] of table.entries()) {
    const version = await containerdVersion(program)
    await t.test(`containerd ${version}, ${it}`, async t => {
      const gate = await startGate(join(directory, `gate-${number}`), {
        policy,
        configuration: { registries, ...settings },
      })
      scene.also(gate)
      const config = clientConfig('containerd', {
        registries: [NAME],
        gate: { host: gate.host, ...address },
        clientVersion: said ? version : undefined,
      })
      const cri = await startCri({ program, version }, join(directory, `cri-${number}`), config.files)
      scene.also(cri)
      if (login !== undefined) {
        for (const wrong of [undefined, { ...login, password: 'wrong' }]) {
          const pull = await cri.pull(`${NAME}/signed:latest`, wrong)
          t.match(
            pull,
            { outcome: 'refused', terminal: /401 Unauthorized|no basic auth credentials/ },
            'no login, no pull',
          )
        }
      }
      for (const repository of ['signed', 'multiarch']) {
        const pull = await cri.pull(`${NAME}/${repository}:latest`, login)
        t.match(pull, { outcome: 'arrived' }, `${repository} arrives`)
        if (pull.outcome === 'refused') t.comment(pull.terminal)
        if (pull.outcome === 'arrived') t.ok(pull.digests.includes(digests.get(repository) ?? ''), 'with its digest')
      }
      for (const reference of [`${NAME}/unsigned:latest`, `${NAME}/unsigned@${digests.get('unsigned') ?? ''}`]) {
        const before = gate.log().length
        const pull = await cri.pull(reference, login)
        t.match(pull, { outcome: 'refused', terminal: 'blocked by image policy: ' }, `${reference} does not`)
        if (pull.outcome === 'refused') t.comment(pull.terminal)
        t.same(refusedIn(gate.log().slice(before), login?.username), [reference], 'by policy, in this pull')
      }
    })
  }
})
