import { parse } from 'smol-toml'
import t from 'tap'
import { clientConfig, CLIENTS } from '../../src/nodes/client-config/generate.ts'
import { checkNode, stateOf } from '../../src/nodes/doctor/check-node.ts'

const registries = ['docker.io', 'quay.io', 'registry.example:5000']
const VERSIONS = [undefined, '1.6.20', '1.7.31', '2.2.1', '20.10.24', '28.5.0', '29.1.0', 'v1.33.1']
const GATES = [
  { host: '127.0.0.1:5000', tls: false },
  { host: 'gate.example:8443', tls: true, caPath: '/etc/ssl/gate.pem' },
]

t.test('case 151: what client-config writes, doctor finds closed, or closed by egress only', async t => {
  for (const client of CLIENTS) {
    for (const clientVersion of VERSIONS) {
      for (const gate of GATES) {
        const { closedBy, files } = clientConfig(client, { registries, gate, clientVersion })
        const texts = files.map(({ path, content }) => ({ path, text: content }))
        const findings = checkNode(texts, { gate: gate.host, registries })
        const name = `${client} ${clientVersion ?? ''} ${gate.host}`
        if (closedBy === 'files') {
          t.same(findings, [], name)
          t.equal(stateOf(texts, findings), 'closed', name)
        } else {
          t.same(
            findings.filter(({ code }) => !code.endsWith('-egress')),
            [],
            name,
          )
          t.equal(stateOf(texts, findings), 'unknown', `${name}: never called closed`)
        }
      }
    }
  }
})

t.test('docker before 29 is said to be open', async t => {
  const gate = { host: 'gate.example', tls: true }
  for (const clientVersion of [undefined, '20.10', '28.9'])
    t.equal(clientConfig('docker', { registries, gate, clientVersion }).closedBy, 'egress')
  t.equal(clientConfig('docker', { registries, gate, clientVersion: '29.0.0' }).closedBy, 'files')
})

t.test('hosts.toml trusts the authority for the server as for the host: containerd asks both', async t => {
  const gate = { host: 'gate.example:8443', tls: true, caPath: '/etc/ssl/gate.pem' }
  const { files } = clientConfig('containerd', { registries: ['quay.io'], gate })
  for (const { content } of files.filter(({ path }) => path.endsWith('hosts.toml'))) {
    const url = 'https://gate.example:8443'
    const ca = '/etc/ssl/gate.pem'
    t.same(parse(content), { server: url, ca, host: { [url]: { capabilities: ['pull', 'resolve'], ca } } })
  }
})

t.test('docker is told only names that it takes', async t => {
  const { notes } = clientConfig('docker', { registries, gate: { host: 'gate.example:5000', tls: true } })
  const pulls = notes.filter(note => note.includes('docker pull'))
  t.same(pulls, [
    '  docker pull gate.example:5000/docker.io/REPOSITORY:TAG',
    '  docker pull gate.example:5000/quay.io/REPOSITORY:TAG',
  ])
  t.ok(notes.some(note => note.startsWith('  registry.example:5000 cannot be named so')))
})

t.test('containerd of an unknown version is given what every version reads', async t => {
  const gate = { host: 'gate.example', tls: true }
  for (const [clientVersion, version] of [
    [undefined, 2],
    ['1.6.20', 2],
    ['2.2.9', 3],
  ] as const) {
    const { files } = clientConfig('containerd', { registries, gate, clientVersion })
    t.match(parse(files[0]?.content ?? ''), { version }, String(clientVersion))
  }
})
