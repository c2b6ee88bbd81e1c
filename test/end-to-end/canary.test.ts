import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { clientConfig } from '../../src/nodes/client-config/generate.ts'
import { checkout, startGate } from './support/gate.ts'
import { run, type Outcome } from './support/processes.ts'
import { sceneTest } from './support/scene-test.ts'
import { startContainerd, writeNode } from './support/containerd.ts'
import { inPrivateMounts } from './support/private-hosts.ts'
import { findPrograms } from './support/programs.ts'

/**
 * `sealgate doctor --canary` with the node's own clients and a gate that runs: closed only where an image that the policy
 * always refuses is refused, by tag and by digest, and by the gate.
 */
sceneTest('the canary', async (t, scene) => {
  const found = findPrograms()
  if (!('programs' in found)) throw new Error(found.missing)
  const { directory, publisher, registry } = scene
  const digest = await publisher.pushImage('canary/deny:latest', 'never to be pulled')
  const gate = await startGate(join(directory, 'gate'), {
    policy: { default: [{ type: 'reject' }] },
    configuration: { registries: { 'registry.example': { url: `http://${registry.host}` } } },
  })
  scene.also(gate)
  const generated = join(directory, 'generated')
  const podman = clientConfig('podman', { registries: ['registry.example'], gate: { host: gate.host, tls: false } })
  await writeNode(generated, podman.files)
  const path = podman.files[0]?.path ?? ''
  const naive = join(directory, 'naive')
  const mirror = [
    '[[registry]]',
    'prefix = "registry.example"',
    `location = "${registry.host}"`,
    'insecure = true',
    '[[registry.mirror]]',
    `location = "${gate.host}/registry.example"`,
    'insecure = true',
    '',
  ].join('\n')
  await writeNode(naive, [{ path, content: mirror }])
  // The same two for containerd, on nodes of their own, where ctr finds them at their place.
  const address = { registries: ['registry.example'], gate: { host: gate.host, tls: false } }
  const { files } = clientConfig('containerd', address)
  const ctrGenerated = join(directory, 'ctr-generated')
  await writeNode(ctrGenerated, files)
  const ctrNaive = join(directory, 'ctr-naive')
  const ctrMirror = `server = "http://${registry.host}"\n[host."http://${gate.host}"]\n  capabilities = ["pull", "resolve"]\n`
  const own = '/etc/containerd/certs.d/registry.example/hosts.toml'
  await writeNode(
    ctrNaive,
    files.map(({ path, content }) => ({ path, content: path === own ? ctrMirror : content })),
  )
  const containerd = await startContainerd(found.programs, join(directory, 'containerd'))
  scene.also(containerd)
  const login = join(directory, 'no-login.json')
  await writeFile(login, '{}')
  await mkdir(join(directory, 'docker-config'), { recursive: true })
  const storage = join(directory, 'storage.conf')
  const places = ['graphroot', 'runroot'].map(kind => `${kind} = "${join(directory, `canary-${kind}`)}"`)
  await writeFile(storage, ['[storage]', 'driver = "vfs"', ...places, ''].join('\n'))

  const expected = ['--gate', gate.host, '--registry', 'registry.example']
  const doctor = (root: string, client: string, canary: string): Promise<Outcome> => {
    const command = {
      program: process.execPath,
      args: [
        join(checkout, 'src', 'main.ts'),
        'doctor',
        '--root',
        root,
        ...expected,
        '--client',
        client,
        '--canary',
        canary,
      ],
      env: {
        CONTAINERS_REGISTRIES_CONF: join(root, path),
        CONTAINERS_STORAGE_CONF: storage,
        REGISTRY_AUTH_FILE: login,
        DOCKER_HOST: `unix://${join(directory, 'docker', 'docker.sock')}`,
        DOCKER_CONFIG: join(directory, 'docker-config'),
        CONTAINERD_ADDRESS: containerd.socket,
        CONTAINERD_NAMESPACE: 'canary',
        CONTAINERD_SNAPSHOTTER: 'native',
      },
    }
    // These two have no variable for the place of their files.
    const place = { ctr: '/etc/containerd', skopeo: '/etc/containers' }[client]
    return run(place === undefined ? command : inPrivateMounts(command, [{ from: join(root, place), over: place }]))
  }

  const name = 'registry.example/canary/deny:latest'
  const through = `${gate.host}/${name}`
  const table = [
    { it: 'generated files', root: generated, client: 'podman', canary: `${name}@${digest}`, exit: 0, says: /refused/ },
    { it: 'a naive mirror', root: naive, client: 'podman', canary: `${name}@${digest}`, exit: 1, says: /arrived/ },
    {
      it: 'named through the gate',
      root: generated,
      client: 'docker',
      canary: `${through}@${digest}`,
      exit: 0,
      says: /refused/,
    },
    {
      it: 'past the gate',
      root: generated,
      client: 'docker',
      canary: `${registry.host}/canary/deny:latest@${digest}`,
      exit: 1,
      says: /arrived/,
    },
    { it: 'generated files', root: ctrGenerated, client: 'ctr', canary: `${name}@${digest}`, exit: 0, says: /refused/ },
    { it: 'a naive mirror', root: ctrNaive, client: 'ctr', canary: `${name}@${digest}`, exit: 1, says: /arrived/ },
    {
      it: 'no such image',
      root: ctrGenerated,
      client: 'ctr',
      canary: `registry.example/none:1@${digest}`,
      exit: 2,
      says: /unclear/,
    },
    { it: 'generated files', root: generated, client: 'skopeo', canary: `${name}@${digest}`, exit: 0, says: /refused/ },
    { it: 'a naive mirror', root: naive, client: 'skopeo', canary: `${name}@${digest}`, exit: 1, says: /arrived/ },
    {
      it: 'no such image',
      root: generated,
      client: 'podman',
      canary: `registry.example/none:1@${digest}`,
      exit: 2,
      says: /unclear/,
    },
    {
      it: 'nobody there',
      root: generated,
      client: 'docker',
      canary: `127.0.0.1:1/x:1@${digest}`,
      exit: 2,
      says: /unclear/,
    },
  ]
  for (const { it, root, client, canary, exit, says } of table) {
    const { exitCode, terminal } = await doctor(root, client, canary)
    t.equal(exitCode, exit, `${client}, ${it}`)
    t.match(terminal, says, it)
    t.comment(terminal)
  }
})
