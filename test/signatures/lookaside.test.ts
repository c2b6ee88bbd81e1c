import t from 'tap'
import { digestOf } from '../../src/reference/digest.ts'
import { parseImageReference, type ImageReference } from '../../src/reference/image-reference.ts'
import { isRepositoryPath } from '../../src/reference/repository.ts'
import {
  lookasideFor,
  lookasideLocation,
  NO_LOOKASIDE,
  parseLookasideBase,
  usesSigstoreAttachments,
  type LookasideBase,
} from '../../src/signatures/lookaside.ts'
import { formatRegistriesDProblem, parseRegistriesD } from '../../src/signatures/registries-d.ts'

const file = (name: string, text: string) => ({ name, bytes: Buffer.from(text) })
function configOf(...files: ReturnType<typeof file>[]) {
  const parsed = parseRegistriesD(files)
  if (!parsed.ok) throw new Error(parsed.problems.map(formatRegistriesDProblem).join('; '))
  return parsed.value
}
function referenceOf(text: string): ImageReference {
  const reference = parseImageReference(text)
  if (reference === undefined) throw new Error(text)
  return reference
}
function baseOf(text: string): LookasideBase {
  const base = parseLookasideBase(text)
  if (base === undefined) throw new Error(text)
  return base
}

const config = configOf(
  file(
    'default.yaml',
    'default-docker:\n  lookaside: https://default.example/sigs\n  lookaside-staging: file:///var/x\n',
  ),
  file(
    'example.yaml',
    `docker:
  example.org: { lookaside: https://host.example }
  example.org/team: { sigstore: "http://old.example/s", use-sigstore-attachments: true }
  example.org/team/app: { use-sigstore-attachments: false }
  example.org/team/app:dev: { lookaside: file:///srv/dev, sigstore: https://not.example }
  example.org:5000: { sigstore-staging: file:///srv/staging }
  docker.io/library/busybox: { lookaside: https://busybox.example }
  "*.wild.example": { lookaside: https://wild.example }
`,
  ),
  file('README', 'not: [yaml'),
)

t.test('the most specific namespace that names a place counts', async t => {
  const table = [
    { image: 'example.org/other', base: 'https://host.example', attachments: undefined },
    { image: 'example.org/team/x', base: 'http://old.example/s', attachments: true },
    { image: 'example.org/team/app', base: 'http://old.example/s', attachments: false },
    { image: 'example.org/team/app:dev', base: 'file:///srv/dev', attachments: false },
    { image: 'example.org/teams/app', base: 'https://host.example', attachments: undefined },
    { image: 'example.org:5000/a', base: 'https://default.example/sigs', attachments: undefined },
    { image: 'busybox', base: 'https://busybox.example', attachments: undefined },
    { image: 'alpine', base: 'https://default.example/sigs', attachments: undefined },
    { image: 'a.wild.example/x', base: 'https://wild.example', attachments: undefined },
    { image: 'wild.example/x', base: 'https://default.example/sigs', attachments: undefined },
  ]
  for (const row of table) {
    t.equal(lookasideFor(config, referenceOf(row.image)), row.base, row.image)
    t.equal(usesSigstoreAttachments(config, referenceOf(row.image)), row.attachments, row.image)
  }
  t.equal(lookasideFor(NO_LOOKASIDE, referenceOf('example.org/a')), undefined, 'nothing is configured')
})

t.test('files that say nothing are fine', async t => {
  for (const text of [
    '',
    '# only a comment\n',
    'docker:\n',
    'default-docker:\n',
    'docker: {}\n',
    'docker: { a.example: }\n',
  ]) {
    t.ok(parseRegistriesD([file('a.yaml', text)]).ok, JSON.stringify(text))
  }
  t.ok(parseRegistriesD([]).ok)
})

t.test('problems name the file, the path and the line', async t => {
  const table = [
    {
      it: 'an unknown key',
      text: 'docker:\n  a.example:\n    lookasid: https://x\n',
      says: /^a.yaml: docker\["a.example"\]: unknown key "lookasid" \(line 3, column 5\)$/,
    },
    { it: 'an unknown section', text: 'podman: {}\n', says: /^a.yaml: unknown key "podman" \(line 1, column 1\)/ },
    { it: 'a key twice', text: 'docker:\n  a.example: {}\n  a.example: {}\n', says: /^a.yaml: .*unique.*line 3/ },
    { it: 'no mapping', text: '- a\n', says: /expected a mapping/ },
    {
      it: 'a section that is no mapping',
      text: 'default-docker: https://x.example\n',
      says: /default-docker: expected a mapping/,
    },
    {
      it: 'a place that is no string',
      text: 'default-docker: { lookaside: 1 }',
      says: /default-docker.lookaside: expected an http/,
    },
    {
      it: 'a place without scheme',
      text: 'default-docker: { lookaside: x.example/s }',
      says: /expected an http, https or file URL/,
    },
    { it: 'another scheme', text: 'default-docker: { lookaside: "ftp://x.example" }', says: /expected an http/ },
    { it: 'a password', text: 'default-docker: { lookaside: "https://u:p@x.example" }', says: /without credentials/ },
    { it: 'a query', text: 'default-docker: { lookaside: "https://x.example/?a=b" }', says: /query/ },
    {
      it: 'a file on another machine',
      text: 'default-docker: { lookaside: "file://host/srv" }',
      says: /expected an http/,
    },
    {
      it: 'a staging place that is none',
      text: 'default-docker: { sigstore-staging: nonsense }',
      says: /sigstore-staging: expected/,
    },
    {
      it: 'attachments no boolean',
      text: 'default-docker: { use-sigstore-attachments: "yes" }',
      says: /expected true or false/,
    },
    { it: 'two documents', text: 'docker: {}\n---\ndocker: {}\n', says: /^a.yaml: / },
    { it: 'broken YAML', text: 'docker: [', says: /^a.yaml: .*line/ },
    { it: 'a key that is no string', text: 'docker: { 1: {} }', says: /key that is a string/ },
  ]
  for (const row of table) {
    const parsed = parseRegistriesD([file('a.yaml', row.text)])
    t.match(parsed.ok ? 'ok' : formatRegistriesDProblem(parsed.problems[0]), row.says, row.it)
  }
})

t.test('a namespace is in one file only', async t => {
  t.match(twice('docker: { a.example: {} }'), /^b.yaml: docker\["a.example"\]: is in a.yaml as well \(line 1/)
  t.match(twice('default-docker: {}'), /^b.yaml: default-docker: is in a.yaml as well/)
})

t.test('case 85: where the signatures of an image are', async t => {
  const digest = digestOf(Buffer.from('x'))
  const hex = digest.slice('sha256:'.length)
  const { repository } = referenceOf('example.org/team/app')
  const table = [
    ['https://sigs.example', `https://sigs.example/team/app@sha256=${hex}`],
    ['https://sigs.example/', `https://sigs.example/team/app@sha256=${hex}`],
    ['http://sigs.example:8080/a/b', `http://sigs.example:8080/a/b/team/app@sha256=${hex}`],
    ['file:///srv/sigs', `file:///srv/sigs/team/app@sha256=${hex}`],
    ['file:///srv/with space/', `file:///srv/with%20space/team/app@sha256=${hex}`],
  ] as const
  for (const [base, location] of table) t.equal(lookasideLocation(baseOf(base), repository, digest), location)
  t.equal(
    lookasideLocation(baseOf('https://s.example'), repository, digestOf(Buffer.from('x'), 'sha512')).slice(0, 40),
    'https://s.example/team/app@sha512=a4abd4',
  )
  for (const path of ['..', 'a/../b', 'a%2f..', 'a/..', '/a', 'a//b', 'a?b', 'a#b', 'a\\b', './a']) {
    t.notOk(isRepositoryPath(path), `no repository is called ${path}`)
  }
})

function twice(text: string): string {
  const parsed = parseRegistriesD([file('a.yaml', text), file('b.yaml', text)])
  return parsed.ok ? 'ok' : formatRegistriesDProblem(parsed.problems[0])
}
