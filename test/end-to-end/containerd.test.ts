import { hashSync } from 'bcryptjs'
import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { clientConfig } from '../../src/nodes/client-config/generate.ts'
import { checkNode, stateOf } from '../../src/nodes/doctor/check-node.ts'
import { createAuthority } from '../support/certificates.ts'
import { startContainerd, writeNode } from './support/containerd.ts'
import { refusedIn } from './support/decisions.ts'
import { startGate } from './support/gate.ts'
import { findPrograms } from './support/programs.ts'
import { sceneTest } from './support/scene-test.ts'

const NAME = 'registry.example'

/**
 * containerd itself pulls by the names that its users know, `registry.example/…`, and asks the gate with `?ns=`: by the files
 * that `sealgate client-config` writes it gets what is signed and nothing else; by a naive mirror it walks round the gate, and
 * the doctor says so.
 */
sceneTest('containerd: hosts.toml, ?ns=, and the way round the gate (cases 151, 235)', async (t, scene) => {
  const found = findPrograms()
  if (!('programs' in found)) throw new Error(found.missing)
  const { directory, publisher, registry } = scene
  const publicKey = await publisher.createKeyPair('cosign')
  const digests = new Map([
    ['signed', await publisher.pushImage('signed:latest', 'signed')],
    ['multiarch', await publisher.pushIndex('multiarch', 'multiarch')],
    ['unsigned', await publisher.pushImage('unsigned:latest', 'unsigned')],
  ])
  await publisher.sign('signed:latest', 'cosign', `${NAME}/signed`)
  await publisher.sign('multiarch:latest', 'cosign', `${NAME}/multiarch`)
  const policy = {
    default: [{ type: 'reject' }],
    transports: { docker: { [NAME]: [{ type: 'sigstoreSigned', keyPath: publicKey }] } },
  }
  const registries = { [NAME]: { url: `http://${registry.host}` } }
  const gate = await startGate(join(directory, 'gate'), { policy, configuration: { registries } })
  scene.also(gate)
  const containerd = await startContainerd(found.programs, join(directory, 'containerd'))
  scene.also(containerd)
  const unsigned = `${NAME}/unsigned@${digests.get('unsigned') ?? ''}`

  t.test('the generated files', async t => {
    const { files } = clientConfig('containerd', { registries: [NAME], gate: { host: gate.host, tls: false } })
    const certsD = await writeNode(join(directory, 'generated'), files)
    for (const repository of ['signed', 'multiarch']) {
      const pull = await containerd.pull(`${NAME}/${repository}:latest`, certsD)
      t.match(pull, { outcome: 'arrived', digests: [digests.get(repository)] }, `${repository} arrives`)
    }
    for (const reference of [`${NAME}/unsigned:latest`, unsigned]) {
      const before = gate.log().length
      const pull = await containerd.pull(reference, certsD)
      t.match(
        pull,
        { outcome: 'refused', terminal: '403 Forbidden: blocked by image policy: ' },
        `${reference} does not`,
      )
      if (pull.outcome === 'refused') t.comment(pull.terminal)
      t.same(refusedIn(gate.log().slice(before)), [reference], 'the policy refused it, in this pull, under that name')
    }
    const texts = files.map(({ path, content }) => ({ path, text: content }))
    t.same(checkNode(texts, { gate: gate.host, registries: [NAME] }), [], 'the doctor finds nothing')
  })

  t.test('a naive mirror', async t => {
    const text = [
      `server = "http://${registry.host}"`,
      `[host."http://${gate.host}"]`,
      '  capabilities = ["pull", "resolve"]',
      '',
    ]
    const path = `/etc/containerd/certs.d/${NAME}/hosts.toml`
    const certsD = await writeNode(join(directory, 'naive'), [{ path, content: text.join('\n') }])
    const past = await containerd.pull(`${NAME}/unsigned:latest`, certsD)
    t.match(past, { outcome: 'arrived' }, 'the unsigned image arrives past the gate')
    const config = '[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = "/etc/containerd/certs.d"\n'
    const files = [
      { path: '/etc/containerd/config.toml', text: `version = 2\n${config}` },
      { path, text: text.join('\n') },
    ]
    const findings = checkNode(files, { gate: gate.host, registries: [NAME] })
    t.match(
      findings.find(({ code }) => code === 'hosts-server-not-gate'),
      { file: path, line: 1 },
      'the doctor names it',
    )
    t.equal(stateOf(files, findings), 'open')
  })

  t.test('over TLS, with a login', async t => {
    const authority = createAuthority(directory, 'containerd-ca')
    const certificate = authority.issue('gate')
    const users = join(directory, 'users')
    await writeFile(users, `node:${hashSync('of the node', 4)}\n`)
    const secured = await startGate(join(directory, 'secured'), {
      policy,
      configuration: {
        registries,
        tls: { cert: certificate.certFile, key: certificate.keyFile },
        auth: { kind: 'htpasswd', file: users },
      },
    })
    scene.also(secured)
    const caPath = join(directory, 'node-ca', 'ca.pem')
    await mkdir(dirname(caPath), { recursive: true })
    await copyFile(authority.file, caPath)
    const { files } = clientConfig('containerd', {
      registries: [NAME],
      gate: { host: secured.host, tls: true, caPath },
    })
    const certsD = await writeNode(join(directory, 'tls'), files)
    t.match(await containerd.pull(`${NAME}/signed:latest`, certsD), { outcome: 'refused' }, 'not without a login')
    const signed = await containerd.pull(`${NAME}/signed:latest`, certsD, 'node:of the node')
    t.match(signed, { outcome: 'arrived' }, 'with one')
    t.match(await containerd.pull(unsigned, certsD, 'node:of the node'), {
      outcome: 'refused',
      terminal: 'blocked by image policy: ',
    })
    t.same(refusedIn(secured.log(), 'node'), [unsigned], 'the policy still decides, for that login')
  })
})
