import t from 'tap'
import { checkNode, stateOf } from '../../src/nodes/doctor/check-node.ts'

/** Naive configurations, each with the way round the gate that it leaves: shared/clients.md 6.4 by number. */
const expected = { gate: 'gate.example', registries: ['docker.io'] }
const HOSTS = '/etc/containerd/certs.d/docker.io/hosts.toml'
const CONTAINERD = '/etc/containerd/config.toml'
const CONTAINERS = '/etc/containers/registries.conf.d/50.conf'
const host = '[host."https://gate.example"]\n'
const server = 'server = "https://gate.example"\n'
const cri = (settings: string): string => `version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\n${settings}`

const table = [
  { trap: '1 does not parse', path: HOSTS, text: 'server = https\n', code: 'unreadable', line: 1 },
  { trap: '1 host twice', path: HOSTS, text: `${server}${host}${host}`, code: 'unreadable' },
  { trap: '2 no host block', path: HOSTS, text: server, code: 'hosts-without-host-block' },
  { trap: 'no server', path: HOSTS, text: host, code: 'hosts-server-not-gate' },
  {
    trap: '4 Spegel',
    path: HOSTS,
    text: `server = "https://docker.io"\n${host}`,
    code: 'hosts-server-not-gate',
    line: 1,
  },
  {
    trap: 'another host',
    path: HOSTS,
    text: `${server}${host}[host."https://m.example"]\n`,
    code: 'hosts-other-host',
    line: 3,
  },
  { trap: 'no _default', path: HOSTS, text: `${server}${host}`, code: 'hosts-missing' },
  { trap: '3 unset', path: CONTAINERD, text: 'version = 2\n', code: 'config-path-unset' },
  {
    trap: '3 two paths',
    path: CONTAINERD,
    text: cri('config_path = "/etc/containerd/certs.d:/etc/docker/certs.d"\n'),
    code: 'config-path-list',
    line: 3,
  },
  {
    trap: 'legacy mirrors',
    path: CONTAINERD,
    text: cri(
      '[plugins."io.containerd.grpc.v1.cri".registry.mirrors."docker.io"]\nendpoint = ["https://gate.example"]\n',
    ),
    code: 'legacy-mirrors',
    line: 3,
  },
  {
    trap: '5 image verifier',
    path: CONTAINERD,
    text: '[plugins."io.containerd.image-verifier.v1.bindir"]\nbin_dir = "/x"\n',
    code: 'image-verifier',
    line: 1,
  },
  {
    trap: '6 prefix without library',
    path: CONTAINERS,
    text: '[[registry]]\nprefix = "docker.io/alpine"\nlocation = "gate.example/docker.io/alpine"\n',
    code: 'containers-prefix-never-matches',
    line: 2,
  },
  {
    trap: 'podman mirror',
    path: CONTAINERS,
    text: '[[registry]]\nlocation = "docker.io"\n[[registry.mirror]]\nlocation = "gate.example/docker.io"\n',
    code: 'containers-mirror-falls-back',
    line: 2,
  },
  {
    trap: 'rootless podman',
    path: '/home/ann/.config/containers/registries.conf',
    text: '[[registry]]\nlocation = "docker.io"\n',
    code: 'not-read',
  },
  { trap: 'rootless docker', path: '/home/bob/.config/docker/daemon.json', text: '{}', code: 'not-read' },
  {
    trap: 'RKE2 default endpoint',
    path: '/etc/rancher/rke2/registries.yaml',
    text: 'mirrors:\n  "*":\n    endpoint: ["https://gate.example"]\n',
    code: 'k3s-default-endpoint',
  },
  { trap: 'podman: not named', path: CONTAINERS, text: '', code: 'containers-missing' },
  {
    trap: '7 registry-mirrors',
    path: '/etc/docker/daemon.json',
    text: '{\n  "registry-mirrors": ["https://gate.example"]\n}',
    code: 'docker-mirrors',
    line: 2,
  },
  {
    trap: 'k3s default endpoint',
    path: '/etc/rancher/k3s/registries.yaml',
    text: 'mirrors:\n  "*":\n    endpoint: ["https://gate.example"]\n',
    code: 'k3s-default-endpoint',
  },
  {
    trap: 'k3s only named ones',
    path: '/etc/rancher/k3s/registries.yaml',
    text: 'mirrors:\n  docker.io:\n    endpoint: ["https://gate.example"]\n',
    code: 'k3s-missing',
  },
  {
    trap: 'buildkit mirrors',
    path: '/etc/buildkit/buildkitd.toml',
    text: '[registry."docker.io"]\n  mirrors = ["gate.example"]\n',
    code: 'buildkit-mirrors',
    line: 2,
  },
] as const

t.test('case 151: each trap is found, with its file and line', async t => {
  for (const row of table) {
    const files = [{ path: row.path, text: row.text }]
    const findings = checkNode(files, expected)
    const finding = findings.find(({ code }) => code === row.code)
    t.ok(finding, `${row.trap}: ${row.code}, found ${findings.map(({ code }) => code).join(' ')}`)
    if ('line' in row) t.equal(finding?.line, row.line, `${row.trap}: line`)
    t.equal(stateOf(files, findings), row.code === 'not-read' ? 'unknown' : 'open', row.trap)
  }
})

t.test('what config.toml imports is merged over it, in the order of the files', async t => {
  const certs = 'config_path = "/etc/containerd/certs.d"\n'
  const main = { path: CONTAINERD, text: `imports = ["conf.d/*.toml"]\n${cri(certs)}` }
  const at = (name: string, text: string): { path: string; text: string } => ({
    path: `/etc/containerd/conf.d/${name}.toml`,
    text,
  })
  const rows = [
    { it: 'nothing of interest', files: [at('a', 'version = 2\n')], found: [] },
    { it: 'the same', files: [at('a', cri(certs))], found: [] },
    {
      it: 'another config_path',
      files: [at('a', cri('config_path = "/elsewhere"\n'))],
      found: [{ severity: 'unknown', code: 'config-path-elsewhere', file: '/etc/containerd/conf.d/a.toml', line: 3 }],
    },
    {
      it: 'another, and then ours',
      files: [at('b', cri(certs)), at('a', cri('config_path = "/elsewhere"\n'))],
      found: [],
    },
    {
      it: 'mirrors',
      files: [at('a', cri('[plugins."io.containerd.grpc.v1.cri".registry.mirrors."docker.io"]\nendpoint = []\n'))],
      found: [{ severity: 'open', code: 'legacy-mirrors', file: '/etc/containerd/conf.d/a.toml', line: 3 }],
    },
    {
      it: 'imports of its own',
      files: [at('a', 'imports = ["/other/*.toml"]\n')],
      found: [{ severity: 'unknown', code: 'config-imports', file: '/etc/containerd/conf.d/a.toml', line: 1 }],
    },
    {
      it: 'no TOML',
      files: [at('a', 'imports = \n')],
      found: [{ severity: 'unknown', code: 'unreadable', file: '/etc/containerd/conf.d/a.toml' }],
    },
    {
      it: 'a file that is not imported',
      files: [{ path: '/etc/containerd/other/a.toml', text: cri('config_path = "/elsewhere"\n') }],
      found: [],
    },
  ]
  const hosts = ['docker.io', '_default'].map(name => ({
    path: `/etc/containerd/certs.d/${name}/hosts.toml`,
    text: `${server}${host}`,
  }))
  for (const { it, files, found } of rows) {
    const findings = checkNode([main, ...hosts, ...files], expected)
    t.match(findings, found, it)
    t.equal(findings.length, found.length, `${it}: ${findings.map(({ code }) => code).join(' ')}`)
  }
})

t.test('blocked with the gate as mirror is closed', async t => {
  const text =
    '[[registry]]\nlocation = "docker.io"\nblocked = true\n[[registry.mirror]]\nlocation = "gate.example/docker.io"\n'
  t.same(checkNode([{ path: CONTAINERS, text }], expected), [])
})

t.test('a node with nothing to look at is not called closed', async t => {
  t.equal(stateOf([], []), 'unknown')
})
