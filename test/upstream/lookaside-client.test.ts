import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { pathToFileURL } from 'node:url'
import { spawnSync } from 'node:child_process'
import t, { type Test } from 'tap'
import { findLookaside } from '../../src/signatures/find-lookaside.ts'
import {
  DEFAULT_LOOKASIDE_LIMITS,
  readLookaside,
  type LookasideLimits,
  type LookasideList,
} from '../../src/upstream/lookaside-client.ts'
import { UpstreamError } from '../../src/upstream/upstream-error.ts'

const MIB = 1024 * 1024

type Answer = (response: ServerResponse, request: IncomingMessage) => void

/** Serves `signature-N` by number; what is not there is 404. */
async function serve(
  t: Test,
  answers: readonly Answer[],
  beyond?: Answer,
): Promise<{ location: string; asked: string[] }> {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    const number = Number(/\/signature-(\d+)$/.exec(request.url ?? '')?.[1] ?? 0)
    const answer = answers[number - 1] ?? beyond
    if (answer !== undefined) return answer(response, request)
    response.writeHead(404).end('not found')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return { location: `http://127.0.0.1:${address.port}/sigs/team/app@sha256=ab`, asked }
}

function read(location: string, limits: Partial<LookasideLimits> = {}, signal?: AbortSignal): Promise<LookasideList> {
  return readLookaside({
    location,
    signal: signal ?? new AbortController().signal,
    limits: { ...DEFAULT_LOOKASIDE_LIMITS, ...limits },
  })
}

function shown(list: LookasideList): readonly string[] {
  return list.files.map(file => ('problem' in file ? file.problem : Buffer.from(file.untrustedBytes).toString()))
}

const ok =
  (body: string | Uint8Array, type?: string): Answer =>
  response => {
    response.writeHead(200, type === undefined ? {} : { 'content-type': type }).end(body)
  }
const status =
  (code: number, headers: Record<string, string> = {}): Answer =>
  response => {
    response.writeHead(code, headers).end('<html>')
  }

t.test('reads one after the other until there is no next one', async t => {
  const { location, asked } = await serve(t, [ok('one'), ok('two'), ok('three')])
  const list = await read(location)
  t.strictSame(shown(list), ['one', 'two', 'three'])
  t.strictSame(
    list.files.map(({ name }) => name),
    ['signature-1', 'signature-2', 'signature-3'],
  )
  t.equal(list.failure, undefined)
  t.strictSame(list.leftOut, [])
  t.strictSame(
    asked,
    [1, 2, 3, 4].map(number => `/sigs/team/app@sha256=ab/signature-${number}`),
  )
})

t.test('none at all', async t => {
  const { location } = await serve(t, [])
  t.strictSame(await read(location), { files: [], failure: undefined, leftOut: [] })
})

t.test('case 84: a page for everything is the end, a list without end has one', async t => {
  const pages = await serve(t, [ok('\u0000x')], ok('<html>', 'text/html; charset=utf-8'))
  t.strictSame(shown(await read(pages.location)), ['\u0000x'])
  const upper = await serve(t, [], ok('<html>', 'Text/HTML'))
  t.strictSame((await read(upper.location)).files, [])
  const guessed = await serve(t, [ok(Buffer.from([0xa3, 1]), 'text/html')])
  t.equal((await read(guessed.location)).files.length, 1, 'a binary file that the server calls HTML')

  const endless = await serve(t, [], ok('x'))
  const list = await read(endless.location)
  t.equal(list.files.length, 128)
  t.equal(endless.asked.length, 128)
  t.match(list.leftOut, [/has 128 signatures or more; no more were read/])
})

t.test('case 84: sizes', async t => {
  const limits = { maxSignatureBytes: 10, maxTotalBytes: 25 }
  const { location } = await serve(t, [ok('x'.repeat(10)), ok('x'.repeat(11)), ok('good')])
  const list = await read(location, { ...limits, maxTotalBytes: 100 })
  t.strictSame(shown(list), ['x'.repeat(10), 'has more than 10 bytes', 'good'], 'one that is too large hides no other')
  const many = await serve(t, [], ok('x'.repeat(10)))
  const capped = await read(many.location, limits)
  t.equal(capped.files.length, 3)
  t.equal(many.asked.length, 3)
  t.equal(capped.leftOut.length, 1, 'the total is limited as well')

  const most = 4 * MIB
  const { location: byDefault } = await serve(t, [ok('x'.repeat(most)), ok('x'.repeat(most + 1))])
  const [fits, over] = shown(await read(byDefault))
  t.equal(fits?.length, most, 'unless told otherwise: L')
  t.equal(over, `has more than ${most} bytes`, 'L+1')

  let sent = 0
  const flood = await serve(t, [
    response => {
      const pour = () => {
        while (!response.destroyed && response.write(Buffer.alloc(64 * 1024))) sent += 64 * 1024
        if (!response.destroyed) response.once('drain', pour)
      }
      pour()
    },
  ])
  t.strictSame(shown(await read(flood.location, { maxSignatureBytes: 1024 * 1024 })), ['has more than 1048576 bytes'])
  t.ok(sent < 64 * 1024 * 1024, 'a body without end is cut off')
})

t.test('case 217: what could not be found out is a failure, and keeps what was found', async t => {
  const { location: elsewhere, asked: askedElsewhere } = await serve(t, [], ok('x'))
  const other = new URL(elsewhere)
  const table = [
    { it: '500', answer: status(500), code: 'SERVER_ERROR', says: /status 500/ },
    { it: '403', answer: status(403), code: 'SERVER_ERROR', says: /status 403/ },
    {
      it: '401',
      answer: status(401, { 'www-authenticate': 'Basic realm="x"' }),
      code: 'SERVER_ERROR',
      says: /status 401/,
    },
    { it: '429', answer: status(429), code: 'RATE_LIMITED', says: /status 429/ },
    { it: '204', answer: status(204), code: 'SERVER_ERROR', says: /status 204/ },
    {
      it: 'another host',
      answer: status(302, { location: `${other.origin}/x` }),
      code: 'BLOCKED',
      says: /redirects to another host/,
    },
    {
      it: 'another scheme',
      answer: status(302, { location: 'file:///etc/passwd' }),
      code: 'BLOCKED',
      says: /redirects/,
    },
    {
      it: 'a redirect to itself',
      answer: status(302, { location: 'signature-2' }),
      code: 'SERVER_ERROR',
      says: /status 302/,
    },
    { it: 'a redirect to nowhere', answer: status(302), code: 'SERVER_ERROR', says: /status 302/ },
    { it: 'hanging up', answer: response => response.destroy(), code: 'UNREACHABLE', says: /cannot be read/ },
    {
      it: 'hanging up half way',
      answer: response => {
        response.writeHead(200, { 'content-length': '100' }).write('half', () => response.destroy())
      },
      code: 'UNREACHABLE',
      says: /cannot be read/,
    },
    { it: 'silence', answer: () => {}, code: 'TIMED_OUT', says: /given up/ },
  ] satisfies readonly { it: string; answer: Answer; code: UpstreamError['code']; says: RegExp }[]
  for (const row of table) {
    const { location } = await serve(t, [ok('one'), row.answer, ok('three')])
    const list = await read(location, { timeoutMs: 300 })
    t.strictSame(shown(list), ['one'], row.it)
    t.type(list.failure, UpstreamError, row.it)
    t.equal(list.failure?.code, row.code, row.it)
    t.match(list.failure?.message, row.says, row.it)
  }
  t.strictSame(askedElsewhere, [], 'nobody else was asked')
  const nobody = await read('http://127.0.0.1:1/sigs/a@sha256=ab')
  t.match(nobody.failure, { code: 'UNREACHABLE' })
  const controller = new AbortController()
  controller.abort()
  const { location } = await serve(t, [ok('one')])
  t.match((await read(location, {}, controller.signal)).failure, { code: 'TIMED_OUT' })
})

t.test('a redirect on the same host is followed', async t => {
  const { location } = await serve(t, [status(301, { location: '/moved/signature-2' }), ok('moved'), status(404)])
  t.strictSame(shown(await read(location)), ['moved', 'moved'])
})

t.test('case 86: files', async t => {
  const root = t.testdir({
    good: { 'signature-1': 'one', 'signature-2': 'two', 'signature-4': 'behind a gap' },
    'with space': { 'signature-1': 'one' },
    empty: {},
    directory: { 'signature-1': {} },
    linked: {},
    loop: {},
    closed: { 'signature-1': 'secret' },
    pipe: {},
    large: { 'signature-1': 'x'.repeat(11), 'signature-2': 'x'.repeat(10) },
    file: 'no directory',
  })
  const location = (name: string): string => pathToFileURL(`${root}/${name}`).href
  t.strictSame(shown(await read(location('good'))), ['one', 'two'])
  t.strictSame(shown(await read(location('with space'))), ['one'])
  t.strictSame(await read(location('empty')), { files: [], failure: undefined, leftOut: [] })
  t.strictSame(await read(location('missing')), { files: [], failure: undefined, leftOut: [] })
  t.strictSame(shown(await read(location('large'), { maxSignatureBytes: 10 })), [
    'has more than 10 bytes',
    'x'.repeat(10),
  ])

  await symlink('../good/signature-1', `${root}/linked/signature-1`)
  t.strictSame(shown(await read(location('linked'))), ['one'], 'a link to a file')
  await symlink('signature-1', `${root}/loop/signature-1`)
  t.match(await read(location('loop')), { files: { length: 0 }, failure: { code: 'UNREACHABLE', message: /ELOOP/ } })
  t.match(await read(location('directory')), { failure: { code: 'UNREACHABLE', message: /not a regular file/ } })
  t.match(await read(location('file')), { failure: { code: 'UNREACHABLE', message: /ENOTDIR/ } })
  t.match(await read(location('good'), {}, AbortSignal.abort()), { failure: { code: 'TIMED_OUT' } })

  t.test(
    'a named pipe',
    { skip: spawnSync('mkfifo', [`${root}/pipe/signature-1`]).status === 0 ? false : 'no mkfifo' },
    async t => {
      t.match(await read(location('pipe')), { failure: { message: /not a regular file/ } })
    },
  )
  t.test(
    'a file without permission',
    { skip: process.getuid?.() === 0 ? 'root may read everything' : false },
    async t => {
      await chmod(`${root}/closed/signature-1`, 0o000)
      t.match(await read(location('closed')), { failure: { code: 'UNREACHABLE', message: /EACCES/ } })
    },
  )
})

t.test('what is read becomes signatures, and a failure stays one', async t => {
  const root = t.testdir({ a: {} })
  await mkdir(`${root}/sigs`)
  await writeFile(`${root}/sigs/signature-1`, Buffer.from([0xa3, 1]))
  await writeFile(`${root}/sigs/signature-2`, 'nonsense')
  await writeFile(`${root}/sigs/signature-3`, Buffer.alloc(20))
  await mkdir(`${root}/sigs/signature-4`)
  const location = pathToFileURL(`${root}/sigs`).href
  const found = await findLookaside(location, at => read(at, { maxSignatureBytes: 10 }))
  t.match(found.signatures, [
    { format: 'gpg', origin: { place: 'lookaside', name: 'lookaside signature-1' } },
    { format: 'unusable', problem: /neither/ },
    { format: 'unusable', problem: /more than 10 bytes/ },
  ])
  t.match(found.failures, [{ place: `the lookaside ${location}`, cause: { code: 'UNREACHABLE' } }])
})
