import t from 'tap'
import { parsePolicy } from '../../src/policy/parse-policy.ts'
import { canonicalDockerScope, whyUnmatched } from '../../src/policy/policy-scopes.ts'

const DIGEST = `sha256:${'ab'.repeat(32)}`

t.test('scopes get the host that references have; what could pass for another host is no scope', async t => {
  const table: readonly { scope: string; is: string | undefined }[] = [
    { scope: '', is: '' },
    { scope: 'example.org', is: 'example.org' },
    { scope: 'Example.ORG:5000/a/b:V1', is: 'example.org:5000/a/b:V1' },
    { scope: 'index.docker.io/library/a', is: 'docker.io/library/a' },
    { scope: 'registry-1.docker.io', is: 'docker.io' },
    { scope: '*.Example.org', is: '*.example.org' },
    { scope: '*.index.docker.io', is: '*.index.docker.io' },
    { scope: '*.example.org/a', is: '*.example.org/a' },
    { scope: '*', is: '*' },
    { scope: '[::1]:5000/a', is: '[::1]:5000/a' },
    { scope: 'https://example.org/a', is: 'https://example.org/a' },
    { scope: '__proto__', is: '__proto__' },
    { scope: 'example.org.', is: undefined },
    { scope: 'example.org./a', is: undefined },
    { scope: 'example.org.:5000/a', is: undefined },
    { scope: '*.example.org.', is: undefined },
    { scope: 'еxample.com', is: undefined },
    { scope: 'example。com/a', is: undefined },
    { scope: '*.①.example', is: undefined },
  ]
  for (const { scope, is } of table) t.equal(canonicalDockerScope(scope), is, encodeURI(scope))
})

t.test('scopes that containers/image takes and that match nothing, with what was meant', async t => {
  const table: readonly { scope: string; why: RegExp | undefined }[] = [
    { scope: '', why: undefined },
    { scope: 'example.org', why: undefined },
    { scope: 'example.org:5000', why: undefined },
    { scope: 'localhost/a', why: undefined },
    { scope: 'registry:5000/a', why: undefined },
    { scope: 'example.org/a/b', why: undefined },
    { scope: 'example.org/a:1', why: undefined },
    { scope: `example.org/a@${DIGEST}`, why: undefined },
    { scope: 'docker.io', why: undefined },
    { scope: 'docker.io/library', why: undefined },
    { scope: 'docker.io/library/busybox', why: undefined },
    { scope: '*.example.org', why: undefined },
    { scope: '*.org', why: undefined },
    { scope: 'docker.io/busybox', why: /docker\.io\/library\/busybox$/ },
    { scope: 'docker.io/busybox:1', why: /never matches: it is docker\.io\/library\/busybox:1/ },
    { scope: 'busybox', why: undefined },
    { scope: 'library/busybox', why: /docker\.io\/library\/busybox/ },
    { scope: 'busybox:latest', why: /no registry's host/ },
    { scope: '*', why: /wildcard/ },
    { scope: '*.', why: /wildcard/ },
    { scope: 'example*.*.com', why: /wildcard/ },
    { scope: '*.*.com', why: /wildcard/ },
    { scope: '*.example.org/a', why: /wildcard/ },
    { scope: '*.example.org:5000', why: /wildcard/ },
    { scope: 'example.org/*', why: /wildcard/ },
    { scope: 'https://example.org/a', why: /without https/ },
    { scope: 'docker://example.org/a', why: /without https/ },
    { scope: 'example.org/', why: /slash at its end/ },
    { scope: 'example.org/a/', why: /slash at its end/ },
    { scope: 'example.org/A', why: /no repository's name/ },
    { scope: 'example.org//a', why: /no repository's name/ },
    { scope: 'example.org/a:', why: /neither a tag/ },
    { scope: 'example.org/a:-1', why: /neither a tag/ },
    { scope: `example.org/a:1@${DIGEST}`, why: /neither a tag/ },
    { scope: 'example.org/a@sha256:ab', why: /neither a tag/ },
    { scope: '[::1]:5000/a', why: /no registry's host/ },
    { scope: 'exam_ple.org/a', why: /no registry's host/ },
  ]
  for (const { scope, why } of table) {
    const reason = whyUnmatched(scope)
    if (why === undefined) t.equal(reason, undefined, scope)
    else t.match(reason, why, scope)
  }
})

const reject = [{ type: 'reject' }]
const accept = [{ type: 'insecureAcceptAnything' }]
const signed = [{ type: 'sigstoreSigned', keyPath: 'k' }]
function warningsOf(transports: object, byDefault: object = reject): readonly string[] {
  const parsed = parsePolicy(Buffer.from(JSON.stringify({ default: byDefault, transports })))
  return parsed.ok ? parsed.value.warnings : ['not valid']
}

t.test('a policy that podman takes is taken, with warnings', async t => {
  t.match(warningsOf({ dokcer: {} }), [/no transport "dokcer"/], 'case 198')
  t.match(warningsOf({ docker: { '*.example.com/repo': reject } }), [/scope \*\.example\.com\/repo never matches/])
  t.match(warningsOf({ docker: { '[::1]:5000': reject, '*': reject } }), [/never matches/, /never matches/])
  t.equal(
    warningsOf({ docker: Object.fromEntries(Array.from({ length: 200_000 }, (_, i) => [`h.example/A${i}`, reject])) })
      .length,
    200_000,
  )
})

t.test('what is asked of one name of an image only (case 93)', async t => {
  const tag = 'a.example/b/c:1'
  const digest = `a.example/b/c@${DIGEST}`
  const table: readonly { docker: object; byDefault?: object; warns: RegExp | undefined }[] = [
    { docker: { [tag]: signed, 'a.example/b/c': accept }, warns: /"a\.example\/b\/c".* by digest goes round/ },
    { docker: { [tag]: signed, 'a.example/b': accept }, warns: /"a\.example\/b".* by digest goes round/ },
    { docker: { [tag]: signed, 'a.example': accept }, warns: /by digest goes round/ },
    { docker: { [tag]: signed, '*.example': accept }, warns: /"\*\.example".* by digest goes round/ },
    { docker: { [tag]: signed, '': accept }, warns: /"".* by digest goes round/ },
    { docker: { [tag]: signed }, byDefault: accept, warns: /the default, .* by digest goes round/ },
    { docker: { [tag]: reject, 'a.example': signed }, warns: /by digest goes round/ },
    { docker: { [digest]: reject, 'a.example': signed }, warns: /by tag goes round/ },
    { docker: { [tag]: signed, 'a.example': signed }, warns: undefined },
    { docker: { [tag]: accept, 'a.example': signed }, warns: undefined },
    { docker: { [tag]: signed, 'a.example/b': reject, 'a.example': accept }, warns: undefined },
    { docker: { [tag]: signed }, warns: undefined },
    { docker: { 'a.example:5000': signed, 'a.example': accept }, warns: undefined },
  ]
  for (const { docker, byDefault, warns } of table) {
    const warnings = warningsOf({ docker }, byDefault)
    const detours = warnings.filter(warning => !warning.includes('accepts anything'))
    if (warns === undefined) t.same(detours, [], JSON.stringify(docker))
    else t.match(detours, [warns], JSON.stringify(docker))
  }
})

t.test('case 105: that all the rest is open', async t => {
  const table: readonly { docker?: object; byDefault: object; warns: RegExp | undefined }[] = [
    { byDefault: accept, warns: /^the default accepts anything: .* without a signature$/ },
    { docker: { 'a.example': signed }, byDefault: accept, warns: /^the default accepts anything/ },
    { docker: { '': accept }, byDefault: reject, warns: /^the scope "" accepts anything/ },
    { docker: { '': accept }, byDefault: accept, warns: /^the scope "" accepts anything/ },
    { docker: { '': signed }, byDefault: accept, warns: undefined },
    { docker: { '': [...accept, ...signed] }, byDefault: accept, warns: undefined },
    { docker: { 'a.example': accept }, byDefault: reject, warns: undefined },
    { byDefault: signed, warns: undefined },
  ]
  for (const { docker, byDefault, warns } of table) {
    const warnings = warningsOf(docker === undefined ? {} : { docker }, byDefault)
    const it = `${JSON.stringify(docker)}, ${JSON.stringify(byDefault)}`
    t.equal(warnings.length, warns === undefined ? 0 : 1, it)
    if (warns !== undefined) t.match(warnings, [warns], it)
  }
})

t.test('requirements that nothing can meet', async t => {
  const base = [{ type: 'signedBaseLayer', baseLayerIdentity: { type: 'matchExact' } }]
  const x509 = [{ type: 'signedBy', keyType: 'signedByX509CAs', keyPath: 'k' }]
  t.match(warningsOf({ docker: { 'a.example': base } }), [/scope a\.example asks for signedBaseLayer/])
  t.match(warningsOf({ docker: { '': x509 } }), [/scope "" asks for signedBy with the keyType signedByX509CAs/])
  t.match(warningsOf({}, base), [/the default asks for signedBaseLayer/])
  t.same(warningsOf({ docker: { 'a.example': [{ type: 'signedBy', keyType: 'GPGKeys', keyPath: 'k' }] } }), [])
})

t.test('scopes of directories are clean absolute paths, never the root; other transports’ are kept', async t => {
  const table: readonly { transport: string; scope: string; ok: boolean }[] = [
    { transport: 'dir', scope: '', ok: true },
    { transport: 'dir', scope: '/a/b', ok: true },
    { transport: 'dir', scope: '/a/..b', ok: true },
    { transport: 'dir', scope: '/', ok: false },
    { transport: 'dir', scope: 'a', ok: false },
    { transport: 'dir', scope: '/a/', ok: false },
    { transport: 'dir', scope: '/a//b', ok: false },
    { transport: 'dir', scope: '/a/../b', ok: false },
    { transport: 'dir', scope: '/a/.', ok: false },
    { transport: 'oci', scope: '/a/b:tag', ok: true },
    { transport: 'oci', scope: '/a/b', ok: true },
    { transport: 'oci', scope: 'a:tag', ok: false },
    { transport: 'oci', scope: '/:tag', ok: false },
    { transport: 'oci', scope: '/a/../b:tag', ok: false },
    { transport: 'atomic', scope: 'anything at all', ok: true },
    { transport: 'unheard-of', scope: '/../', ok: true },
  ]
  for (const { transport, scope, ok } of table) {
    t.equal(warningsOf({ [transport]: { [scope]: reject } }).includes('not valid'), !ok, `${transport}: ${scope}`)
  }
})
