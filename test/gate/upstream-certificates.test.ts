import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createAuthority } from '../support/certificates.ts'
import { startEvilRegistry } from '../support/evil-registry.ts'
import { startGate, temporaryDirectory, writePolicy } from '../support/gate.ts'
import { imageOf } from '../support/signer.ts'
import { get, HOST } from './scene.ts'

t.test('an upstream that wants a certificate is shown the configured one', async t => {
  const directory = temporaryDirectory(t)
  const authority = createAuthority(directory, 'ca')
  const registry = await startEvilRegistry(t, { tls: { ...authority.issue('server'), clientCa: authority.pem } })
  registry.put('test', imageOf('a'), '1')
  const policy = writePolicy(directory, { default: [{ type: 'insecureAcceptAnything' }] })
  const own = authority.issue('gate')
  const other = authority.issue('other')
  const garbage = join(directory, 'garbage.pem')
  writeFileSync(garbage, 'no PEM')

  const start = async (settings: object): Promise<string> => {
    const registries = { [HOST]: { url: registry.url, ca: authority.file, ...settings } }
    const { url } = await startGate(t, { policy, defaultRegistry: HOST, registries })
    return url
  }
  const shown = await start({ clientCert: own.certFile, clientKey: own.keyFile })
  t.equal((await get(`${shown}/v2/test/manifests/1`)).status, 200)
  const without = await start({})
  t.equal((await get(`${without}/v2/test/manifests/1`)).status, 503, 'without one there is no connection')

  const table: readonly { it: string; settings: object; is: RegExp }[] = [
    { it: 'no key', settings: { clientCert: own.certFile }, is: /needs its "clientKey"/ },
    { it: 'no certificate', settings: { clientKey: own.keyFile }, is: /needs its "clientKey"/ },
    {
      it: 'another certificate’s key',
      settings: { clientCert: own.certFile, clientKey: other.keyFile },
      is: /clientCert: not a certificate with its key/,
    },
    {
      it: 'no PEM',
      settings: { clientCert: garbage, clientKey: own.keyFile },
      is: /clientCert: not a certificate with its key/,
    },
    {
      it: 'no such file',
      settings: { clientCert: join(directory, 'none'), clientKey: own.keyFile },
      is: /clientCert: .* cannot be read/,
    },
    {
      it: 'plain HTTP',
      settings: { url: 'http://127.0.0.1:1', clientCert: own.certFile, clientKey: own.keyFile },
      is: /over https:\/\/ only/,
    },
  ]
  for (const { it, settings, is } of table) await t.rejects(start(settings), is, it)
})

t.test('certificates of a containers certs.d directory', async t => {
  const directory = temporaryDirectory(t)
  const authority = createAuthority(directory, 'ca')
  const registry = await startEvilRegistry(t, { tls: { ...authority.issue('server'), clientCa: authority.pem } })
  registry.put('test', imageOf('a'), '1')
  const own = authority.issue('gate')
  const policy = writePolicy(directory, { default: [{ type: 'insecureAcceptAnything' }] })
  const { host } = new URL(registry.url)
  const start = async (name: string, files: Readonly<Record<string, string>>, host_ = host): Promise<string> => {
    const root = join(directory, name)
    mkdirSync(join(root, host_), { recursive: true })
    for (const [file, from] of Object.entries(files)) copyFileSync(from, join(root, host_, file))
    const registries = { [HOST]: { url: registry.url } }
    const certsD = [join(directory, 'none'), root, join(directory, 'later')]
    return (await startGate(t, { policy, defaultRegistry: HOST, registries, certsD })).url
  }
  const all = { 'ca.crt': authority.file, 'client.cert': own.certFile, 'client.key': own.keyFile }
  const pull = async (url: string): Promise<number> => (await get(`${url}/v2/test/manifests/1`)).status

  t.equal(await pull(await start('whole', all)), 200)
  t.equal(await pull(await start('ca-only', { 'ca.crt': authority.file })), 503, 'no client certificate')
  const { 'ca.crt': _, ...pair } = all
  t.equal(await pull(await start('pair-only', pair)), 503, 'no CA')
  t.equal(await pull(await start('elsewhere', all, 'other.example')), 503, 'another host’s')
  t.equal(await pull(await start('other-files', { ...all, 'README.txt': policy })), 200)
  await t.rejects(start('half', { 'client.cert': own.certFile }), /client\.cert has no client\.key/)
  await t.rejects(start('half-too', { 'client.key': own.keyFile }), /client\.key has no client\.cert/)
  await t.rejects(start('two', { ...all, 'b.cert': own.certFile, 'b.key': own.keyFile }), /has 2 client certificates/)
  const mixed = { 'client.cert': own.certFile, 'client.key': authority.issue('other').keyFile }
  await t.rejects(start('mixed', mixed), /not a certificate with its key/)
})
