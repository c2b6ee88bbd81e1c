import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { CHILD, replicas, UNSIGNED } from '../gate/shared-scene.ts'
import { createAuthority } from '../support/certificates.ts'
import { temporaryDirectory } from '../support/gate.ts'
import { findRedis, startRedis } from '../support/redis-server.ts'
import { freePort } from './support/processes.ts'

/** A real Redis in all the ways that operators have it: with a password, an ACL, TLS; full; a replica that is read-only. */

const INDEX = 'multi/manifests/latest'
const PASSWORD = 'correct-horse-battery'
const program = findRedis()

if (program === undefined) {
  t.pass('redis-server is not on PATH', { skip: true })
} else {
  t.test('a password, or a user that may do just what docs/operations.md says', async t => {
    const { replica, sharedConfig } = await replicas(t)
    const directory = temporaryDirectory(t)
    const passwordFile = join(directory, 'password')
    writeFileSync(passwordFile, `${PASSWORD}\n`)
    const wrongFile = join(directory, 'wrong')
    writeFileSync(wrongFile, 'wrong')
    const port = await freePort()
    // +select is for a database other than 0.
    const user = ['gate', 'on', `>${PASSWORD}`, '~sealgate:*', '+set', '+getrange', '+auth', '+select']
    await startRedis(t, program, port, ['--requirepass', PASSWORD, '--user', ...user])
    const table = [
      { name: 'the password', url: `redis://127.0.0.1:${port}`, passwordFile, status: 'up' },
      { name: 'another database', url: `redis://127.0.0.1:${port}/3`, passwordFile, status: 'up' },
      { name: 'the user', url: `redis://gate@127.0.0.1:${port}`, passwordFile, status: 'up' },
      { name: 'the user, another database', url: `redis://gate@127.0.0.1:${port}/4`, passwordFile, status: 'up' },
      { name: 'a wrong password', url: `redis://127.0.0.1:${port}`, passwordFile: wrongFile, status: 'down' },
      { name: 'an unknown user', url: `redis://nobody@127.0.0.1:${port}`, passwordFile, status: 'down' },
      { name: 'no password', url: `redis://127.0.0.1:${port}`, passwordFile: undefined, status: 'down' },
      {
        name: 'another prefix than the user may',
        url: `redis://gate@127.0.0.1:${port}`,
        passwordFile,
        prefix: 'x:',
        status: 'down',
      },
    ] as const
    for (const { name, status, ...change } of table) {
      const shared = { ...sharedConfig, ...change }
      const [a, b] = [await replica({ shared }), await replica({ shared })]
      await a.shared(status)
      t.equal((await a.pull(INDEX)).status, 200, name)
      t.equal((await b.pull(CHILD)).status, status === 'up' ? 200 : 403, `${name}: a child at another replica`)
      t.equal((await b.pull(UNSIGNED)).status, 403)
    }
  })

  t.test('a password that is changed while the gate runs', async t => {
    const { replica, sharedConfig } = await replicas(t)
    const passwordFile = join(temporaryDirectory(t), 'password')
    writeFileSync(passwordFile, 'old')
    const port = await freePort()
    await startRedis(t, program, port, ['--requirepass', PASSWORD])
    const gate = await replica({ shared: { ...sharedConfig, url: `redis://127.0.0.1:${port}`, passwordFile } })
    await gate.shared('down')
    writeFileSync(passwordFile, PASSWORD)
    await gate.shared('up')
    t.pass('is used for the next connection')
  })

  t.test('case 180: TLS, by a CA that is trusted and by none that is', async t => {
    const { replica, sharedConfig } = await replicas(t)
    const directory = temporaryDirectory(t)
    const [authority, other] = [createAuthority(directory, 'ca'), createAuthority(directory, 'other')]
    const { certFile, keyFile } = authority.issue('redis')
    const [port, tlsPort] = [await freePort(), await freePort()]
    const files = ['--tls-cert-file', certFile, '--tls-key-file', keyFile, '--tls-ca-cert-file', authority.file]
    await startRedis(t, program, port, ['--tls-port', String(tlsPort), ...files, '--tls-auth-clients', 'no'])
    for (const { ca, host, status } of [
      { ca: authority.file, host: '127.0.0.1', status: 'up' },
      { ca: authority.file, host: 'localhost', status: 'up' },
      { ca: other.file, host: '127.0.0.1', status: 'down' },
      { ca: undefined, host: '127.0.0.1', status: 'down' },
    ] as const) {
      const gate = await replica({ shared: { ...sharedConfig, url: `rediss://${host}:${tlsPort}`, ca } })
      await gate.shared(status)
      t.equal(
        (await gate.pull(INDEX)).status,
        200,
        `${host} by ${ca === authority.file ? 'its CA' : 'no CA of its'}: ${status}`,
      )
    }
  })

  t.test('a full server is read, and what cannot be told is done without', async t => {
    const { replica, sharedConfig } = await replicas(t)
    const port = await freePort()
    await startRedis(t, program, port, ['--maxmemory', '1', '--maxmemory-policy', 'noeviction'])
    const shared = { ...sharedConfig, url: `redis://127.0.0.1:${port}` }
    const [a, b] = [await replica({ shared }), await replica({ shared })]
    t.equal((await a.pull(INDEX)).status, 200)
    t.equal((await a.pull(CHILD)).status, 200)
    t.match((await a.admin('metrics')).body.toString(), /sealgate_shared_tellings_total\{outcome="full"\} [1-9]/)
    t.equal((await b.pull(CHILD)).status, 403, 'nobody told it')
    t.equal((await b.pull(INDEX)).status, 200)
    await a.shared('up')
  })

  t.test('a replica of a server is read, and not written', async t => {
    const { replica, sharedConfig } = await replicas(t)
    const [port, copyPort] = [await freePort(), await freePort()]
    await startRedis(t, program, port)
    await startRedis(t, program, copyPort, [
      '--replicaof',
      '127.0.0.1',
      String(port),
      '--repl-diskless-sync-delay',
      '0',
    ])
    const of = (at: number): Readonly<Record<string, unknown>> => ({
      shared: { ...sharedConfig, url: `redis://127.0.0.1:${at}` },
    })
    const [writer, reader] = [await replica(of(port)), await replica(of(copyPort))]
    await reader.shared('up')
    t.equal((await reader.pull(INDEX)).status, 200)
    t.match(
      (await reader.admin('metrics')).body.toString(),
      /sealgate_shared_tellings_total\{outcome="read-only"\} [1-9]/,
    )
    t.equal((await writer.pull(INDEX)).status, 200)
    const other = await replica(of(copyPort))
    let status = 403
    // The copy is made in the background.
    for (let attempt = 0; attempt < 100 && status !== 200; attempt += 1) {
      await sleep(100)
      status = (await other.pull(CHILD)).status
    }
    t.equal(status, 200, 'what the writer told is read at its copy')
  })
}
