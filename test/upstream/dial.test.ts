import t from 'tap'
import { createAuthority } from '../support/certificates.ts'
import { startEvilRegistry } from '../support/evil-registry.ts'
import { answer, redirect } from '../support/faults.ts'
import { temporaryDirectory } from '../support/gate.ts'
import { blobOf, imageOf } from '../support/signer.ts'
import { repositoryAt, tagOf, upstreamOf, within } from '../support/upstream.ts'

const blob = blobOf('x')

t.test('a client certificate is shown to the registry, and to nobody that it points at', async t => {
  const authority = createAuthority(temporaryDirectory(t), 'authority')
  const tls = { ...authority.issue('server'), clientCa: authority.pem }
  const registry = await startEvilRegistry(t, { tls })
  registry.put('team/app', imageOf('x'), '1')
  const clientCertificate = authority.issue('client')
  const known = upstreamOf(t, registry, { trust: { kind: 'only', ca: authority.pem }, clientCertificate })
  t.ok(await known.manifest(repositoryAt(), tagOf('1'), within()))
  const unknown = upstreamOf(t, registry, { trust: { kind: 'only', ca: authority.pem } })
  await t.rejects(unknown.manifest(repositoryAt(), tagOf('1'), within()), { code: 'UNREACHABLE' })

  const store = await startEvilRegistry(t, { tls })
  store.script = answer(200, {}, blob.bytes)
  registry.on(/blobs/, redirect(`${store.url}/x`))
  const redirected = upstreamOf(t, registry, {
    trust: { kind: 'only', ca: authority.pem },
    clientCertificate,
    redirectHosts: [new URL(store.url).host],
  })
  const opened = redirected.openBlob(repositoryAt(), blob.digest, { method: 'GET', range: undefined, signal: within() })
  await t.rejects(opened, { code: 'UNREACHABLE' }, 'another origin wants one too, and does not get it')
  t.same(store.requests, [])
})

t.test('a certificate of another CA is not taken, whatever it says', async t => {
  const directory = temporaryDirectory(t)
  const [ours, theirs] = [createAuthority(directory, 'ours'), createAuthority(directory, 'theirs')]
  const registry = await startEvilRegistry(t, { tls: theirs.issue('server') })
  registry.put('team/app', imageOf('x'), '1')
  for (const ca of [ours.pem, undefined]) {
    const upstream = upstreamOf(t, registry, { trust: ca === undefined ? { kind: 'system' } : { kind: 'only', ca } })
    await t.rejects(upstream.manifest(repositoryAt(), tagOf('1'), within()), { code: 'UNREACHABLE' })
  }
  t.same(registry.requests, [])
})

t.test('case 159: more headers than anybody needs', async t => {
  const registry = await startEvilRegistry(t)
  registry.script = (_, response) => {
    response.writeHead(200, { 'x-large': 'x'.repeat(80 * 1024) }).end()
    return true
  }
  const upstream = upstreamOf(t, registry)
  await t.rejects(upstream.manifest(repositoryAt(), tagOf('1'), within()), { code: 'BAD_ANSWER' })
})

t.test('case 160: an answer that nobody asked for is not taken for the next one', async t => {
  const registry = await startEvilRegistry(t)
  const honest = registry.put('team/app', imageOf('honest'), '1')
  const forged = imageOf('forged').manifest
  registry.put('team/other', imageOf('other'), '1')
  registry.on(/team\/other/, (request, response) => {
    const poison = `HTTP/1.1 200 OK\r\nContent-Type: ${forged.mediaType}\r\nContent-Length: ${forged.size}\r\n\r\n`
    response.on('finish', () => setTimeout(() => request.socket.write(poison + forged.bytes.toString()), 20))
    return false
  })
  const upstream = upstreamOf(t, registry)
  t.ok(await upstream.manifest(repositoryAt('team/other'), tagOf('1'), within()))
  await new Promise(resolve => setTimeout(resolve, 100))
  const answered = await upstream.manifest(repositoryAt('team/app'), tagOf('1'), within())
  t.ok(answered && honest.bytes.equals(answered.bytes))
})
