import { writeFileSync } from 'node:fs'
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
