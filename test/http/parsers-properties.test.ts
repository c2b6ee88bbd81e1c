import * as fc from 'fast-check'
import t from 'tap'
import { parseAuthorization } from '../../src/http/front/authorization.ts'
import { parseRange } from '../../src/http/range.ts'
import { parseRegistryRequest, type Names, type RegistryRequest } from '../../src/http/registry-request.ts'
import { isDigest } from '../../src/reference/digest.ts'
import { isTag, parseRegistryHost, repositoryOf, type RegistryHost } from '../../src/reference/repository.ts'

function host(text: string): RegistryHost {
  const parsed = parseRegistryHost(text)
  if (parsed === undefined) throw new Error(`no host: ${text}`)
  return parsed
}

const names: Names = {
  registries: new Set([host('docker.io'), host('localhost:5002'), host('example.org')]),
  defaultRegistry: host('example.org'),
  hostNames: new Map([['docker-io.gate.example', host('docker.io')]]),
}
const digest = `sha256:${'ab'.repeat(32)}`

/** Targets that are nearly right, put together from what attacks are made of. */
const piece = fc.constantFrom(
  'test',
  'a',
  'library',
  'docker.io',
  'localhost:5002',
  'example.org',
  'evil.example',
  '169.254.169.254',
  '..',
  '.',
  '',
  '%2e%2e',
  '%2F',
  '%252f',
  '\\',
  ';',
  '#',
  '%00',
  '@',
  ':',
  '::1',
  '[::1]',
  'A',
  '_',
  '__proto__',
  'manifests',
  'blobs',
  'uploads',
  'referrers',
  'tags',
  'list',
  'latest',
  digest,
  digest.replace(':', '%3A'),
)
const queryPiece = fc.constantFrom(
  'ns=docker.io',
  'ns=evil.example',
  'ns=',
  'ns',
  'n=5',
  'n=-1',
  'n=1e9',
  'n=999999999',
  'last=x',
  'last=../x',
  `digest=${digest}`,
  'digest=x',
  `mount=${digest}`,
  'from=a',
  'from=evil.example/a',
  'artifactType=x',
  '%',
  '&&',
  '?',
)
const path = fc.oneof(
  // Mostly right ones: without these hardly a target would be understood.
  fc
    .tuple(
      fc.constantFrom('', 'docker.io/', 'localhost:5002/', 'example.org/', 'index.docker.io/'),
      fc.array(fc.stringMatching(/^[a-z0-9]{1,4}$/), { minLength: 1, maxLength: 4 }),
      fc.constantFrom(
        'manifests/latest',
        `manifests/${digest}`,
        `blobs/${digest}`,
        `referrers/${digest}`,
        'tags/list',
        'blobs/uploads/',
        'blobs/uploads/AAAA',
      ),
    )
    .map(([first, parts, rest]) => `/v2/${first}${parts.join('/')}/${rest}`),
  fc.array(piece, { maxLength: 8 }).map(pieces => `/v2/${pieces.join('/')}`),
  fc
    .tuple(
      fc.array(piece, { minLength: 1, maxLength: 4 }),
      fc.constantFrom('manifests', 'blobs', 'referrers', 'tags'),
      piece,
    )
    .map(([name, kind, last]) => `/v2/${name.join('/')}/${kind}/${last}`),
  fc.string().map(text => `/v2/${text}`),
  fc.string({ unit: 'binary' }),
)
const target = fc
  .tuple(path, fc.array(queryPiece, { maxLength: 3 }))
  .map(([before, query]) => (query.length === 0 ? before : `${before}?${query.join('&')}`))
const hostHeader = fc.option(
  fc.oneof(fc.constantFrom('gate', 'docker-io.gate.example', 'DOCKER-IO.gate.example:443', '__proto__'), fc.string()),
  { nil: undefined },
)

/** The same request, written anew from what was understood, with the registry as the first part of the name. */
function rewritten(request: Exclude<RegistryRequest, { kind: 'base' | 'problem' }>): string {
  const { repository } = request.target
  const name = `${repository.host}/${repository.path}`
  switch (request.kind) {
    case 'manifest':
      return `/v2/${name}/manifests/${request.reference}`
    case 'blob':
      return `/v2/${name}/blobs/${request.digest}`
    case 'referrers': {
      const query =
        request.artifactType === undefined
          ? ''
          : `?${new URLSearchParams({ artifactType: request.artifactType }).toString()}`
      return `/v2/${name}/referrers/${request.subject}${query}`
    }
    case 'tags': {
      const query = new URLSearchParams()
      if (request.page.n !== undefined) query.set('n', String(request.page.n))
      if (request.page.last !== undefined) query.set('last', request.page.last)
      return `/v2/${name}/tags/list?${query.toString()}`
    }
    case 'uploads': {
      const query = new URLSearchParams()
      if (request.digest !== undefined) query.set('digest', request.digest)
      if (request.mount !== undefined) query.set('mount', request.mount)
      if (request.from !== undefined) query.set('from', `${request.from.host}/${request.from.path}`)
      return `/v2/${name}/blobs/uploads/?${query.toString()}`
    }
    case 'upload': {
      const query = request.digest === undefined ? '' : `?digest=${request.digest}`
      return `/v2/${name}/blobs/uploads/${request.token}${query}`
    }
  }
}

/** What a request means, without how the client wrote it. */
function meaning(request: RegistryRequest): unknown {
  if (request.kind === 'base' || request.kind === 'problem') return request
  const { target: asked, ...rest } = request
  return { ...rest, repository: asked.repository }
}

t.test(
  'cases 133 to 136, 153: whatever the target, what is understood is of the grammar and means the same again',
  async t => {
    let understood = 0
    fc.assert(
      fc.property(target, hostHeader, (rawTarget, header) => {
        const request = parseRegistryRequest(rawTarget, header, names)
        if (request.kind === 'base') return
        if (request.kind === 'problem') {
          // Case 150: a message may be logged and shown.
          if (!/^[\x20-\x7e…]*$/.test(request.problem.message))
            throw new Error(`unprintable: ${request.problem.message}`)
          return
        }
        understood += 1
        const { repository } = request.target
        t.ok(names.registries.has(repository.host))
        t.same(repositoryOf(repository.host, repository.path), repository)
        const url = new URL(rewritten(request), 'http://gate')
        t.equal(
          `${url.pathname}${url.search}`.replace(/\?$/, ''),
          rewritten(request).replace(/\?$/, ''),
          'no URL parser changes it',
        )
        t.same(meaning(parseRegistryRequest(rewritten(request), 'gate', names)), meaning(request))
        if (request.kind === 'manifest') t.ok(isTag(request.reference) || isDigest(request.reference))
      }),
      { numRuns: 3000 },
    )
    t.ok(understood > 100, `${understood} targets were understood`)
  },
)

t.test('a Range header is one range in its plain spelling, or nothing', async t => {
  const number = fc.oneof(
    fc.nat().map(String),
    fc.constantFrom('', '0', '00', '999999999999999', '9999999999999999', '-1'),
  )
  const header = fc.oneof(
    fc.string(),
    fc
      .tuple(
        fc.constantFrom('bytes=', 'Bytes=', 'bytes =', 'items=', 'bytes: '),
        number,
        number,
        fc.constantFrom('', ',0-1', ' ', 'x'),
      )
      .map(([unit, first, last, rest]) => `${unit}${first}-${last}${rest}`),
  )
  let taken = 0
  fc.assert(
    fc.property(header, text => {
      const range = parseRange(text)
      if (range === undefined) return
      taken += 1
      const [, first = '', last = ''] = /^bytes=([0-9]{0,15})-([0-9]{0,15})$/.exec(range) ?? []
      t.ok(first !== '' || last !== '', range)
      t.ok(first === '' || last === '' || Number(first) <= Number(last), range)
      t.equal(parseRange(range), range, 'and stays what it is')
    }),
    { numRuns: 2000 },
  )
  t.ok(taken > 50, `${taken} were taken`)
})

t.test('case 152: an Authorization header means one user and one password, or is malformed', async t => {
  const user = fc.stringMatching(/^[\x21-\x39\x3b-\x7e]{1,128}$/)
  const password = fc.string({ unit: 'grapheme' }).filter(text => !text.includes('\0') && text.isWellFormed())
  fc.assert(
    fc.property(user, password, (name, secret) => {
      const header = `Basic ${Buffer.from(`${name}:${secret}`).toString('base64')}`
      t.same(parseAuthorization([header]), { kind: 'basic', user: name, password: secret })
      t.same(parseAuthorization([header, header]), { kind: 'malformed' })
      t.same(parseAuthorization([`${header}, ${header}`]), { kind: 'malformed' })
      t.same(parseAuthorization([` ${header}`]), { kind: 'malformed' })
    }),
  )
  const scheme = fc.constantFrom('', 'Basic ', 'basic  ', 'Bearer ', 'Digest ', 'Basic\t')
  fc.assert(
    fc.property(scheme, fc.oneof(fc.string(), fc.base64String(), fc.string({ unit: 'binary' })), (before, text) => {
      const given = parseAuthorization([`${before}${text}`])
      if (given.kind === 'bearer') t.match(given.token, /^[A-Za-z0-9._~+/=-]+$/)
      if (given.kind === 'basic') t.match(given.user, /^[\x21-\x39\x3b-\x7e]{1,128}$/)
      t.not(given.kind, 'none')
    }),
    { numRuns: 2000 },
  )
})
