import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { run } from '../../src/cli/run.ts'
import { temporaryDirectory } from '../support/gate.ts'

const DEMO = fileURLToPath(new URL('../../config/demo.yaml', import.meta.url))
const GATE = 'gate.example:5000'

async function sealgate(...args: readonly string[]): Promise<{ readonly exit: number; readonly stdout: string }> {
  let stdout = ''
  const exit = await run(args, { stdout: text => void (stdout += text), stderr: () => {}, onSignal: () => {} })
  return { exit, stdout }
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

t.test('client-config prints what doctor finds closed', async t => {
  for (const [client, version] of [
    ['podman', '4.3'],
    ['containerd', '2.2'],
    ['docker', '29.1'],
    ['k3s', '1.33'],
  ] as const) {
    const printed = await sealgate('client-config', client, '-c', DEMO, '--gate', GATE, '--client-version', version)
    t.equal(printed.exit, 0)
    const root = temporaryDirectory(t)
    const blocks = printed.stdout.split(/^### /m).slice(1)
    for (const block of blocks) {
      const end = block.indexOf('\n')
      const path = block.slice(0, end)
      if (path !== 'notes') write(join(root, path), block.slice(end + 1))
    }
    const doctor = await sealgate('doctor', '--root', root, '-c', DEMO, '--gate', GATE)
    t.equal(doctor.exit, 0, `${client}: ${doctor.stdout}`)
  }
})

t.test('client-config says where it cannot close', async t => {
  for (const client of ['docker', 'buildkit']) {
    const { exit, stdout } = await sealgate('client-config', client, '-c', DEMO, '--gate', GATE)
    t.equal(exit, 0)
    t.match(stdout, /NOT CLOSED/, client)
  }
  t.equal((await sealgate('client-config', 'lynx', '-c', DEMO)).exit, 2)
})

t.test('doctor reads what config.toml imports', async t => {
  const root = temporaryDirectory(t)
  const cri = 'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\n'
  write(join(root, 'etc/containerd/config.toml'), `imports = ["conf.d/*.toml"]\n${cri}`)
  for (const name of ['quay.io', '_default']) {
    const hosts = `server = "https://${GATE}"\n[host."https://${GATE}"]\n`
    write(join(root, `etc/containerd/certs.d/${name}/hosts.toml`), hosts)
  }
  const doctor = (): ReturnType<typeof sealgate> =>
    sealgate('doctor', '--root', root, '--gate', GATE, '--registry', 'quay.io')
  t.match(await doctor(), { exit: 1, stdout: /^open config-path-unset: \/etc\/containerd\/config\.toml/m })
  write(join(root, 'etc/containerd/conf.d/certs.toml'), `${cri}config_path = "/etc/containerd/certs.d"\n`)
  t.match(await doctor(), { exit: 0 }, 'an imported file sets it')
  write(join(root, 'etc/containerd/conf.d/z.toml'), `${cri}config_path = "/a:/b"\n`)
  t.match(await doctor(), { exit: 1, stdout: /^open config-path-list: \/etc\/containerd\/conf\.d\/z\.toml:3/m })
})

t.test('doctor: 1 open, 2 could not tell', async t => {
  const root = temporaryDirectory(t)
  t.equal((await sealgate('doctor', '--root', root, '--gate', GATE)).exit, 2, 'nothing there')
  t.equal((await sealgate('doctor', '--root', root)).exit, 2, 'no gate')
  const file = 'etc/containers/registries.conf.d/50.conf'
  write(join(root, file), `[[registry]]\nprefix = "quay.io"\nlocation = "${GATE}/quay.io"\n`)
  const blind = await sealgate('doctor', '--root', root, '--gate', GATE)
  t.equal(blind.exit, 2, 'no registries: nothing to be closed')
  t.match(blind.stdout, /say --config or --registry/)
  t.equal((await sealgate('doctor', '--root', root, '--gate', GATE, '--registry', 'quay.io')).exit, 0, 'named')
  const home = join(root, 'home/ann/.config/containers/registries.conf')
  write(home, '[[registry]]\nlocation = "quay.io"\n')
  const rootless = await sealgate('doctor', '--root', root, '--gate', GATE, '--registry', 'quay.io')
  t.equal(rootless.exit, 2, 'a user of the node has a file of their own')
  t.match(rootless.stdout, /^unknown not-read: \/home\/ann\/\.config\/containers\/registries\.conf/m)
  rmSync(home)
  const both = await sealgate('doctor', '--root', root, '--gate', GATE, '--registry', 'quay.io', 'ghcr.io')
  t.not(both.exit, 0, 'one of two')
  write(join(root, 'etc/docker/daemon.json'), `{"registry-mirrors":["http://${GATE}"]}`)
  const open = await sealgate('doctor', '--root', root, '--gate', GATE)
  t.equal(open.exit, 1)
  t.match(open.stdout, /^open docker-mirrors: \/etc\/docker\/daemon\.json:1: .*\n {2}change: /)
})
