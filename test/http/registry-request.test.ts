import t from 'tap'
import { parseRegistryRequest, type Names, type RegistryRequest } from '../../src/http/registry-request.ts'
import { parseRegistryHost, repositoryName, type RegistryHost } from '../../src/reference/repository.ts'

function host(text: string): RegistryHost {
  const parsed = parseRegistryHost(text)
  if (parsed === undefined) throw new Error(`no host: ${text}`)
  return parsed
}

const names: Names = {
  registries: new Set([host('docker.io'), host('quay.io'), host('localhost:5002'), host('example.org')]),
  defaultRegistry: host('example.org'),
  hostNames: new Map([['docker-io.gate.example', host('docker.io')]]),
}
const hex = 'ab'.repeat(32)
const digest = `sha256:${hex}`

/** One line for a parsed request: what kind, which image. */
function show(request: RegistryRequest): string {
  switch (request.kind) {
    case 'base':
      return 'base'
    case 'problem':
      return request.problem.code
    case 'manifest':
      return `manifest ${repositoryName(request.target.repository)} ${request.reference}`
    case 'blob':
      return `blob ${repositoryName(request.target.repository)} ${request.digest}`
    case 'referrers':
      return `referrers ${repositoryName(request.target.repository)} ${request.subject} ${request.artifactType ?? ''}`.trim()
    case 'uploads': {
      const { digest, mount, from, target } = request
      const parts = [digest, mount && `mount ${mount}`, from && `from ${repositoryName(from)}`]
      return ['uploads', repositoryName(target.repository), ...parts.filter(part => part !== undefined)].join(' ')
    }
    case 'upload':
      return `upload ${repositoryName(request.target.repository)} ${request.token} ${request.digest ?? ''}`.trim()
    case 'tags':
      return `tags ${repositoryName(request.target.repository)} ${request.page.n ?? ''} ${request.page.last ?? ''}`.trim()
  }
}

t.test('a request target means exactly one thing (cases 101, 124, 144)', async t => {
  const table: readonly { target: string; means: string; hostHeader?: string }[] = [
    { target: '/v2/', means: 'base' },
    { target: '/v2', means: 'base' },
    // design.md section 3: path form, default registry, ns, host name
    { target: '/v2/quay.io/a/b/manifests/1', means: 'manifest quay.io/a/b 1' },
    { target: '/v2/test/manifests/latest', means: 'manifest example.org/test latest' },
    { target: '/v2/a/b/c/manifests/latest', means: 'manifest example.org/a/b/c latest' },
    { target: '/v2/library/busybox/manifests/1?ns=docker.io', means: 'manifest docker.io/library/busybox 1' },
    { target: '/v2/busybox/manifests/1?ns=docker.io', means: 'manifest docker.io/library/busybox 1' },
    { target: '/v2/busybox/manifests/1?ns=DOCKER.io', means: 'manifest docker.io/library/busybox 1' },
    { target: '/v2/a/manifests/1?ns=localhost%3A5002', means: 'manifest localhost:5002/a 1' },
    { target: '/v2/localhost:5002/a/manifests/1', means: 'manifest localhost:5002/a 1' },
    { target: '/v2/docker.io/busybox/manifests/1', means: 'manifest docker.io/library/busybox 1' },
    { target: '/v2/index.docker.io/busybox/manifests/1', means: 'manifest docker.io/library/busybox 1' },
    { target: '/v2/registry-1.docker.io/x/y/manifests/1', means: 'manifest docker.io/x/y 1' },
    {
      target: '/v2/busybox/manifests/1',
      hostHeader: 'docker-io.gate.example:5000',
      means: 'manifest docker.io/library/busybox 1',
    },
    {
      target: '/v2/busybox/manifests/1',
      hostHeader: 'DOCKER-IO.gate.example',
      means: 'manifest docker.io/library/busybox 1',
    },
    { target: '/v2/Quay.IO/a/manifests/1', means: 'manifest quay.io/a 1' },
    { target: '/v2/EXAMPLE.org./a/manifests/1', means: 'NAME_INVALID' },
    // digests, tags
    { target: `/v2/test/manifests/${digest}`, means: `manifest example.org/test ${digest}` },
    { target: `/v2/test/manifests/sha256%3A${hex}`, means: `manifest example.org/test ${digest}` },
    { target: `/v2/test/manifests/sha256%3a${hex}`, means: `manifest example.org/test ${digest}` },
    { target: `/v2/test/manifests/sha256-${hex}.sig`, means: `manifest example.org/test sha256-${hex}.sig` },
    { target: `/v2/test/blobs/${digest}`, means: `blob example.org/test ${digest}` },
    { target: '/v2/manifests/manifests/manifests/blobs', means: 'manifest example.org/manifests/manifests blobs' },
    { target: `/v2/test/referrers/${digest}?artifactType=a/b`, means: `referrers example.org/test ${digest} a/b` },
    { target: '/v2/test/tags/list', means: 'tags example.org/test' },
    { target: '/v2/test/tags/list?n=10&last=v1', means: 'tags example.org/test 10 v1' },
    { target: '/v2/test/tags/list?n=999999999', means: 'tags example.org/test 1000' },
    // unknown hosts are refused, never dialled (case 153)
    { target: '/v2/evil.example/a/manifests/1', means: 'UNKNOWN_HOST' },
    // case 97: an address of this machine, spelt as the C library reads it, is a registry that nobody configured.
    { target: '/v2/0x7f.1/a/manifests/1', means: 'UNKNOWN_HOST' },
    { target: '/v2/a/manifests/1?ns=0x7f.1', means: 'UNKNOWN_HOST' },
    { target: '/v2/a/manifests/1?ns=2130706433', means: 'UNKNOWN_HOST' },
    { target: '/v2/evil:443/a/manifests/1', means: 'UNKNOWN_HOST' },
    { target: '/v2/localhost/a/manifests/1', means: 'UNKNOWN_HOST' },
    // case 95: no spelling of a registry makes it another one with the default's scope.
    { target: '/v2/example.org:443/a/manifests/1', means: 'UNKNOWN_HOST' },
    { target: '/v2/a/manifests/1?ns=EXAMPLE.org:443', means: 'UNKNOWN_HOST' },
    { target: '/v2/a/manifests/1?ns=EXAMPLE.org', means: 'manifest example.org/a 1' },
    { target: '/v2/a/manifests/1?ns=quay.io.', means: 'NAME_INVALID' },
    { target: '/v2/a/manifests/1?ns=169.254.169.254', means: 'UNKNOWN_HOST' },
    { target: '/v2/a/manifests/1?ns=docker.io@evil', means: 'NAME_INVALID' },
    { target: '/v2/a/manifests/1?ns=docker.io/x', means: 'NAME_INVALID' },
    { target: '/v2/a/manifests/1?ns=', means: 'NAME_INVALID' },
    { target: '/v2/a/manifests/1?ns=docker.io&ns=quay.io', means: 'NAME_INVALID' },
    { target: '/v2/a/manifests/1?ns=d%EF%BD%8Fcker.io', means: 'NAME_INVALID' },
    // cases 98, 133, 134, 136
    { target: `/v2/test/manifests/sha256:${'a'.repeat(63)}`, means: 'DIGEST_INVALID' },
    { target: `/v2/test/manifests/SHA256:${hex}`, means: 'DIGEST_INVALID' },
    { target: `/v2/test/manifests/sha256:${hex.toUpperCase()}`, means: 'DIGEST_INVALID' },
    { target: `/v2/test/manifests/md5:${'a'.repeat(32)}`, means: 'DIGEST_INVALID' },
    { target: '/v2/test/blobs/latest', means: 'DIGEST_INVALID' },
    { target: '/v2/test/referrers/latest', means: 'DIGEST_INVALID' },
    { target: '/v2/test/manifests/-x', means: 'TAG_INVALID' },
    { target: `/v2/test/manifests/${'a'.repeat(129)}`, means: 'TAG_INVALID' },
    { target: '/v2/test/manifests/a%2Fb', means: 'TAG_INVALID' },
    { target: '/v2/lib%2Frepo/manifests/latest', means: 'NAME_INVALID' },
    { target: '/v2/lib%252Frepo/manifests/latest', means: 'NAME_INVALID' },
    { target: '/v2/a/../b/manifests/latest', means: 'NAME_INVALID' },
    { target: '/v2/a/%2e%2e/b/manifests/latest', means: 'NAME_INVALID' },
    { target: '/v2/a//b/manifests/latest', means: 'NAME_INVALID' },
    { target: '/v2//a/manifests/latest', means: 'NAME_INVALID' },
    { target: '/v2/A/manifests/latest', means: 'NAME_INVALID' },
    { target: '/v2/a\\b/manifests/latest', means: 'NAME_INVALID' },
    { target: '/v2/a;y=1/manifests/latest', means: 'NAME_INVALID' },
    { target: '/v2/a#f/manifests/latest', means: 'NAME_INVALID' },
    { target: '/v2/a%00/manifests/latest', means: 'NAME_INVALID' },
    { target: `/v2/${'a'.repeat(300)}/manifests/latest`, means: 'NAME_INVALID' },
    { target: '/v2/test/tags/list?n=-1', means: 'PAGINATION_NUMBER_INVALID' },
    { target: '/v2/test/tags/list?last=%2e%2e%2f', means: 'TAG_INVALID' },
    { target: '/v2/_catalog', means: 'NOT_FOUND' },
    { target: '/v2/test', means: 'NOT_FOUND' },
    { target: '/v2/test/tags/other', means: 'NAME_INVALID' },
    { target: '/v1/test/manifests/latest', means: 'NOT_FOUND' },
    { target: '/V2/test/manifests/latest', means: 'NOT_FOUND' },
    { target: '//v2/test/manifests/latest', means: 'NOT_FOUND' },
    { target: '/', means: 'NOT_FOUND' },
    { target: '/v2/test/blobs/uploads/', means: 'uploads example.org/test' },
    { target: '/v2/test/blobs/uploads', means: 'uploads example.org/test' },
    { target: `/v2/test/blobs/uploads/?digest=${digest}`, means: `uploads example.org/test ${digest}` },
    {
      target: `/v2/quay.io/b/blobs/uploads/?mount=${digest}&from=quay.io/a`,
      means: `uploads quay.io/b mount ${digest} from quay.io/a`,
    },
    { target: `/v2/b/blobs/uploads/?mount=${digest}`, means: `uploads example.org/b mount ${digest}` },
    { target: `/v2/b/blobs/uploads/?mount=${digest}&from=quay.io/a`, means: 'uploads example.org/b' },
    { target: `/v2/b/blobs/uploads/?mount=${digest}&from=A`, means: 'uploads example.org/b' },
    { target: '/v2/b/blobs/uploads/?mount=sha256:1&from=a', means: 'DIGEST_INVALID' },
    { target: '/v2/b/blobs/uploads/?digest=1', means: 'DIGEST_INVALID' },
    { target: '/v2/test/blobs/uploads/ab_-9', means: 'upload example.org/test ab_-9' },
    { target: `/v2/test/blobs/uploads/ab?digest=${digest}`, means: `upload example.org/test ab ${digest}` },
    { target: '/v2/test/blobs/uploads/a/b', means: 'NAME_INVALID' },
    { target: '/v2/test/blobs/uploads/a%2fb', means: 'NAME_INVALID' },
  ]
  for (const { target, means, hostHeader } of table) {
    t.equal(show(parseRegistryRequest(target, hostHeader ?? '127.0.0.1:5000', names)), means, target)
  }
})

t.test('without a default registry a name must say its host', async t => {
  const strict = { ...names, defaultRegistry: undefined }
  t.equal(show(parseRegistryRequest('/v2/test/manifests/1', undefined, strict)), 'UNKNOWN_HOST')
  t.equal(show(parseRegistryRequest('/v2/quay.io/a/manifests/1', undefined, strict)), 'manifest quay.io/a 1')
})

t.test('case 150: a message never repeats what a terminal would obey, nor much of anything', async t => {
  for (const text of [
    '\u001b[2J',
    '\u009b2J',
    '\u007f',
    '\u0085',
    '\u202e',
    '\u2028',
    '\u00e9',
    '"',
    'x'.repeat(1000),
  ]) {
    for (const target of [
      `/v2/a${text}b/manifests/x`,
      `/v2/a/manifests/${text}`,
      `/v2/a/blobs/${text}`,
      `/v2/a/manifests/1?ns=${text}`,
      `/v2/a/tags/list?n=${text}`,
      `/v2/a/tags/list?last=-${text}`,
      `/v2/evil.example${text}/a/manifests/x`,
    ]) {
      const request = parseRegistryRequest(target, undefined, names)
      t.equal(request.kind, 'problem', encodeURI(target.slice(0, 60)))
      if (request.kind === 'problem') t.match(request.problem.message, /^[\x20-\x7e…]{1,250}$/)
    }
  }
})
