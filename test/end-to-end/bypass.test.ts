import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { clientConfig } from '../../src/nodes/client-config/generate.ts'
import { checkNode, stateOf } from '../../src/nodes/doctor/check-node.ts'
import { startGate } from './support/gate.ts'
import { run, type Outcome } from './support/processes.ts'
import { findPrograms } from './support/programs.ts'
import { sceneTest } from './support/scene-test.ts'

/** podman itself: a naive mirror lets it walk round the gate, and the doctor says so; the generated file stops it. */
sceneTest('podman and the way round the gate (case 151)', async (t, scene) => {
  const found = findPrograms()
  if (!('programs' in found)) throw new Error(found.missing)
  const { podman } = found.programs
  const { publisher, registry } = scene
  await publisher.pushImage('unsigned:latest', 'unsigned')
  const gate = await startGate(join(scene.directory, 'gate'), {
    policy: { default: [{ type: 'reject' }] },
    configuration: { registries: { 'registry.example': { url: `http://${registry.host}` } } },
  })
  scene.also(gate)
  const image = 'registry.example/unsigned:latest'
  const expected = { gate: gate.host, registries: ['registry.example'] }

  const write = async (file: string, text: string): Promise<string> => {
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, text)
    return file
  }
  const policy = await write(join(scene.directory, 'any.json'), '{"default":[{"type":"insecureAcceptAnything"}]}')
  const login = await write(join(scene.directory, 'login.json'), '{}')
  const pull = async (name: string, text: string): Promise<Outcome> => {
    const directory = join(scene.directory, `bypass-${name}`)
    // podman 4.3 has no variable for the drop-in directory; the tables mean the same in the main file.
    const conf = await write(join(directory, 'registries.conf'), text)
    const store = [
      '--root',
      join(directory, 'root'),
      '--runroot',
      join(directory, 'run'),
      '--tmpdir',
      join(directory, 'tmp'),
    ]
    const flags = ['--storage-driver=vfs', '--cgroup-manager=cgroupfs', '--events-backend=none']
    return run({
      program: podman,
      args: [...store, ...flags, 'pull', '--signature-policy', policy, image],
      env: {
        REGISTRY_AUTH_FILE: login,
        CONTAINERS_REGISTRIES_CONF: conf,
      },
    })
  }

  const insecure = 'insecure = true'
  const naive = [
    '[[registry]]',
    'prefix = "registry.example"',
    `location = "${registry.host}"`,
    insecure,
    '[[registry.mirror]]',
    `location = "${gate.host}/registry.example"`,
    insecure,
    '',
  ].join('\n')
  const past = await pull('naive', naive)
  t.equal(past.exitCode, 0, `naive: the unsigned image arrives past the gate: ${past.terminal}`)
  const naiveFiles = [{ path: '/etc/containers/registries.conf.d/50.conf', text: naive }]
  const findings = checkNode(naiveFiles, expected)
  t.match(findings, [{ code: 'containers-mirror-falls-back', line: 2 }], 'the doctor names it')
  t.equal(stateOf(naiveFiles, findings), 'open')

  const [file] = clientConfig('podman', {
    registries: ['registry.example'],
    gate: { host: gate.host, tls: false },
  }).files
  const text = file?.content ?? ''
  const refused = await pull('generated', text)
  t.not(refused.exitCode, 0, 'generated: refused')
  t.match(refused.terminal, /blocked by image policy/, 'in the words of the gate')
  t.comment(refused.terminal)
  const files = [{ path: '/etc/containers/registries.conf.d/50-sealgate.conf', text }]
  t.same(checkNode(files, expected), [], 'the doctor finds nothing')
})
