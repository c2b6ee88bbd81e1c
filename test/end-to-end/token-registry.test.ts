import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { clientConfig } from '../../src/nodes/client-config/generate.ts'
import { helmHome, pushChart } from './support/charts.ts'
import { oras } from './support/clients.ts'
import { startContainerd, writeNode } from './support/containerd.ts'
import { refusedIn } from './support/decisions.ts'
import { startGate } from './support/gate.ts'
import { run } from './support/processes.ts'
import { findPrograms } from './support/programs.ts'
import { sceneTest } from './support/scene-test.ts'
import { READER, startTokenRegistry } from './support/token-registry.ts'

/**
 * A registry that wants tokens of a server on another port, as the public ones do. Clients have no login at all: the gate has,
 * and what it is given it gives to nobody else.
 */
sceneTest('in front of a registry with token authentication', async (t, scene) => {
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
  await publisher.sign('signed:latest', 'cosign', 'registry.example/signed')
  await publisher.sign('multiarch:latest', 'cosign', 'registry.example/multiarch')

  await pushChart(programs, { directory, registryHost: registry.host, name: 'chart' })

  const upstream = await startTokenRegistry(programs, {
    directory: join(directory, 'tokens'),
    data: registry.data ?? '',
  })
  scene.also(upstream)
  const gate = await startGate(join(directory, 'gate'), {
    policy: {
      default: [{ type: 'reject' }],
      transports: { docker: { 'registry.example': [{ type: 'sigstoreSigned', keyPath: publicKey }] } },
    },
    configuration: {
      registries: {
        'registry.example': { url: `http://${upstream.host}`, tokenHosts: [upstream.tokenHost], ...READER },
      },
    },
  })
  scene.also(gate)

  for (const client of [...scene.clients, oras(programs, join(directory, 'oras'))]) {
    t.test(client.name, async t => {
      for (const repository of ['signed', 'multiarch']) {
        const pull = await client.pull(`${gate.host}/registry.example/${repository}:latest`)
        t.match(pull, { outcome: 'arrived' }, `${repository} arrives`)
        if (pull.outcome === 'arrived') t.ok(pull.digests.includes(digests.get(repository) ?? ''), 'with its digest')
      }
      const pull = await client.pull(`${gate.host}/registry.example/unsigned:latest`)
      t.match(pull, { outcome: 'refused', terminal: 'blocked by image policy: ' }, 'unsigned does not')
      if (pull.outcome === 'refused') t.comment(`${client.name}: ${pull.terminal}`)
    })
  }

  t.test('containerd', async t => {
    const containerd = await startContainerd(programs, join(directory, 'containerd'))
    scene.also(containerd)
    const gateAddress = { host: gate.host, tls: false }
    const { files } = clientConfig('containerd', { registries: ['registry.example'], gate: gateAddress })
    const certsD = await writeNode(join(directory, 'node'), files)
    for (const repository of ['signed', 'multiarch']) {
      const pull = await containerd.pull(`registry.example/${repository}:latest`, certsD)
      t.match(pull, { outcome: 'arrived', digests: [digests.get(repository)] }, `${repository} arrives`)
    }
    const before = gate.log().length
    const pull = await containerd.pull('registry.example/unsigned:latest', certsD)
    t.match(pull, { outcome: 'refused', terminal: 'blocked by image policy: ' }, 'unsigned does not')
    t.same(refusedIn(gate.log().slice(before)), ['registry.example/unsigned:latest'], 'by policy')
  })

  t.test('helm', async t => {
    const target = `oci://${gate.host}/registry.example/charts/chart`
    const args = ['pull', target, '--version', '1.0.0', '--plain-http', '--destination', join(directory, 'pulled')]
    const pull = { program: programs.helm, args, env: helmHome(directory) }
    await mkdir(join(directory, 'pulled'), { recursive: true })
    const refused = await run(pull)
    t.not(refused.exitCode, 0, 'a chart is judged as an image is')
    t.match(refused.terminal, 'blocked by image policy: ', 'and refused in the words of the gate')
    t.comment(`helm: ${refused.terminal}`)
    await publisher.sign('charts/chart:1.0.0', 'cosign', 'registry.example/charts/chart')
    await new Promise(resolve => setTimeout(resolve, 2500))
    const arrived = await run(pull)
    t.equal(arrived.exitCode, 0, `signed, it arrives: ${arrived.terminal}`)
  })

  t.test('tokens', async t => {
    t.ok(upstream.scopes.length > 0)
    t.ok(
      upstream.scopes.every(scope => /^repository:[a-z/]+:pull$/.test(scope)),
      'for one repository each, to pull',
    )
    const log = gate.log()
    for (const secret of [READER.password, 'Bearer ', 'eyJ']) t.notOk(log.includes(secret), 'none of it is in the log')
  })
})
