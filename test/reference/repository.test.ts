import * as fc from 'fast-check'
import t from 'tap'
import {
  isRepositoryPath,
  isTag,
  parseRegistryHost,
  repositoryName,
  repositoryOf,
} from '../../src/reference/repository.ts'

t.test('hosts: folded, in ASCII, nothing that another program would read as another host (cases 94 to 97)', async t => {
  const table: readonly { text: string; host: string | undefined }[] = [
    { text: 'example.org', host: 'example.org' },
    { text: 'EXAMPLE.Org', host: 'example.org' },
    { text: 'example.org:5000', host: 'example.org:5000' },
    { text: 'example.org:443', host: 'example.org:443' },
    { text: 'localhost', host: 'localhost' },
    { text: '127.0.0.1:5000', host: '127.0.0.1:5000' },
    { text: 'xn--n3h.com', host: 'xn--n3h.com' },
    { text: 'a--b.example', host: 'a--b.example' },
    { text: 'docker.io', host: 'docker.io' },
    { text: 'Docker.IO', host: 'docker.io' },
    { text: 'index.docker.io', host: 'docker.io' },
    { text: 'registry-1.docker.io', host: 'docker.io' },
    { text: 'hub.docker.io', host: 'hub.docker.io' },
    { text: 'docker.io:443', host: 'docker.io:443' },
    { text: `${'a'.repeat(251)}.org`, host: `${'a'.repeat(251)}.org` },
    { text: `${'a'.repeat(252)}.org`, host: undefined },
    { text: '', host: undefined },
    { text: 'example.org.', host: undefined },
    { text: '.example.org', host: undefined },
    { text: 'example..org', host: undefined },
    { text: '-example.org', host: undefined },
    { text: 'example-.org', host: undefined },
    { text: 'exam_ple.org', host: undefined },
    { text: 'example.org:', host: undefined },
    { text: 'example.org:65536', host: undefined },
    { text: 'example.org:123456', host: undefined },
    { text: 'example.org:5000:5000', host: undefined },
    { text: 'example.org:http', host: undefined },
    { text: 'user@example.org', host: undefined },
    { text: 'http://example.org', host: undefined },
    { text: 'example.org/a', host: undefined },
    { text: 'example.org\\a', host: undefined },
    { text: 'example.org%2fa', host: undefined },
    { text: 'example.org#a', host: undefined },
    { text: 'example.org\n', host: undefined },
    { text: 'example.org\0', host: undefined },
    { text: ' example.org', host: undefined },
    { text: '[::1]:5000', host: undefined },
    { text: '*.example.org', host: undefined },
    { text: 'еxample.com', host: undefined },
    { text: 'example。com', host: undefined },
    { text: '①27.0.0.1', host: undefined },
    { text: '\u212Aey.example', host: undefined },
    { text: 'example\u00ad.com', host: undefined },
  ]
  for (const { text, host } of table) t.equal(parseRegistryHost(text), host, encodeURI(text))
})

t.test('paths: the grammar of the distribution spec', async t => {
  const table: readonly { path: string; is: boolean }[] = [
    { path: 'a', is: true },
    { path: 'a/b/c', is: true },
    { path: 'a.b/c_d/e__f/g-h/i---j', is: true },
    { path: '0/1', is: true },
    { path: '__proto__', is: false },
    { path: 'constructor', is: true },
    { path: 'a'.repeat(255), is: true },
    { path: 'a'.repeat(256), is: false },
    { path: '', is: false },
    { path: '/', is: false },
    { path: '/a', is: false },
    { path: 'a/', is: false },
    { path: 'a//b', is: false },
    { path: 'A', is: false },
    { path: 'a/B', is: false },
    { path: '..', is: false },
    { path: 'a/../b', is: false },
    { path: 'a/./b', is: false },
    { path: '-a', is: false },
    { path: 'a-', is: false },
    { path: 'a..b', is: false },
    { path: 'a_.b', is: false },
    { path: 'a___b', is: false },
    { path: 'a:b', is: false },
    { path: 'a@b', is: false },
    { path: 'a%2fb', is: false },
    { path: 'a b', is: false },
    { path: 'a\n', is: false },
    { path: 'é', is: false },
  ]
  for (const { path, is } of table) t.equal(isRepositoryPath(path), is, encodeURI(path))
})

t.test('tags', async t => {
  const table: readonly { tag: string; is: boolean }[] = [
    { tag: 'latest', is: true },
    { tag: 'V1.0_a-b', is: true },
    { tag: '_', is: true },
    { tag: `sha256-${'ab'.repeat(32)}.sig`, is: true },
    { tag: 'a'.repeat(128), is: true },
    { tag: 'a'.repeat(129), is: false },
    { tag: '', is: false },
    { tag: '.a', is: false },
    { tag: '-a', is: false },
    { tag: 'a:b', is: false },
    { tag: 'a/b', is: false },
    { tag: 'a\n', is: false },
    { tag: 'é', is: false },
  ]
  for (const { tag, is } of table) t.equal(isTag(tag), is, encodeURI(tag))
})

t.test('repositories: Docker Hub’s library, and the length of host and path together', async t => {
  const name = (hostText: string, path: string): string | undefined => {
    const host = parseRegistryHost(hostText)
    const repository = host && repositoryOf(host, path)
    return repository && repositoryName(repository)
  }
  t.equal(name('docker.io', 'busybox'), 'docker.io/library/busybox')
  t.equal(name('index.docker.io', 'busybox'), 'docker.io/library/busybox')
  t.equal(name('docker.io', 'library/busybox'), 'docker.io/library/busybox')
  t.equal(name('docker.io', 'a/b/c'), 'docker.io/a/b/c')
  t.equal(name('example.org', 'busybox'), 'example.org/busybox')
  t.equal(name('example.org', 'Busybox'), undefined)
  t.equal(name('example.org', 'a'.repeat(243))?.length, 255)
  t.equal(name('example.org', 'a'.repeat(244)), undefined)
  t.equal(name('docker.io', 'a'.repeat(237))?.length, 255, 'with library/')
  t.equal(name('docker.io', 'a'.repeat(238)), undefined)
})

t.test('a property: whatever is a host is its own canonical form, and safe in a URL', async () => {
  const text = fc.oneof(
    fc.string(),
    fc.domain(),
    fc.string({ unit: fc.constantFrom('a', 'B', '.', '-', ':', '0', '*', '/') }),
  )
  fc.assert(
    fc.property(text, input => {
      const host = parseRegistryHost(input)
      return host === undefined || (parseRegistryHost(host) === host && /^[a-z0-9.:-]+$/.test(host))
    }),
    { numRuns: 500 },
  )
})

t.test('hostile names cost no more than their length', async t => {
  const begun = process.cpuUsage()
  parseRegistryHost(`${'a-'.repeat(500_000)}!`)
  isRepositoryPath(`${'a-'.repeat(500_000)}!`)
  parseRegistryHost(`${'a-'.repeat(126)}!`)
  isRepositoryPath(`${'a-'.repeat(126)}!`)
  t.ok(process.cpuUsage(begun).user < 500_000)
})
