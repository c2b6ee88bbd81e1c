import t from 'tap'
import { openDial } from '../../src/upstream/dial.ts'
import {
  checkLiteralHost,
  guardedLookup,
  isLoopbackByName,
  refusedAddress,
  type ResolveAll,
} from '../../src/upstream/resolved-address.ts'
import { startEvilRegistry } from '../support/evil-registry.ts'
import { answer } from '../support/faults.ts'

const MS = { connectMs: 1000, headersMs: 1000, bodyMs: 1000 }

/** DNS that gives these addresses, whatever it is asked. */
function dns(...addresses: readonly string[]): ResolveAll {
  return (_name, done) =>
    done(
      null,
      addresses.map(address => ({ address, family: address.includes(':') ? 6 : 4 })),
    )
}

t.test('cases 157, 158: which addresses are dialled for a host that a registry points at', async t => {
  const table = [
    ['169.254.169.254', 'metadata'],
    ['169.254.0.0', 'metadata'],
    ['169.254.255.255', 'metadata'],
    ['169.253.255.255', undefined],
    ['169.255.0.0', undefined],
    ['100.100.100.200', 'metadata'],
    ['168.63.129.16', 'metadata'],
    ['fe80::1', 'metadata'],
    ['fe80::1%eth0', 'metadata'],
    ['febf::1', 'metadata'],
    ['fec0::1', undefined],
    ['fd00:ec2::254', 'metadata'],
    ['fd00:ec2:0:0:0:0:0:254', 'metadata'],
    ['fd00:ec2::253', undefined],
    ['fd20:ce::254', 'metadata'],
    ['::ffff:169.254.169.254', 'metadata'],
    ['::ffff:a9fe:a9fe', 'metadata'],
    ['64:ff9b::a9fe:a9fe', 'metadata'],
    ['2002:a9fe:a9fe::1', 'metadata'],
    ['127.0.0.1', 'loopback'],
    ['127.255.255.255', 'loopback'],
    ['0.0.0.0', 'loopback'],
    ['::1', 'loopback'],
    ['::', 'loopback'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['10.0.0.1', undefined],
    ['172.16.0.1', undefined],
    ['192.168.1.1', undefined],
    ['fd12:3456::1', undefined],
    ['8.8.8.8', undefined],
    ['2606:4700::1', undefined],
  ] as const
  for (const [address, refusal] of table) {
    t.equal(refusedAddress(address, { loopbackIsFine: false }), refusal, address)
    const besideLoopback = refusal === 'loopback' ? undefined : refusal
    t.equal(refusedAddress(address, { loopbackIsFine: true }), besideLoopback, `${address}, loopback is fine`)
  }
})

t.test('which upstream is this machine by its own spelling', async t => {
  const table = [
    ['http://localhost:5000', true],
    ['http://registry.localhost:5000', true],
    ['http://127.0.0.1', true],
    ['http://0x7f.1', true],
    ['http://[::1]:5000', true],
    ['http://10.0.0.1', false],
    ['https://localhost.example.org', false],
    ['https://registry.example.org', false],
  ] as const
  for (const [url, expected] of table) t.equal(isLoopbackByName(new URL(url)), expected, url)
})

t.test('case 158: a name is looked up once, and refused for one bad address among good ones', async t => {
  const look = (addresses: readonly string[], options: { readonly all?: boolean; readonly family?: 4 | 6 }) =>
    new Promise<unknown>(resolve =>
      guardedLookup(new URL('https://registry.example.org'), dns(...addresses))(
        'store.example.org',
        options,
        (error, found) => resolve(error === null ? found : { refused: 'code' in error ? error.code : error.message }),
      ),
    )
  t.equal(await look(['192.0.2.1', '192.0.2.2'], {}), '192.0.2.1')
  t.same(await look(['192.0.2.1'], { all: true }), [{ address: '192.0.2.1', family: 4 }])
  t.equal(await look(['192.0.2.1', '2001:db8::1'], { family: 6 }), '2001:db8::1')
  t.same(await look(['192.0.2.1', '169.254.169.254'], {}), { refused: 'BLOCKED' })
  t.same(await look(['192.0.2.1', 'fe80::1'], { family: 4, all: true }), { refused: 'BLOCKED' })
  t.same(await look(['127.0.0.1'], {}), { refused: 'BLOCKED' })
  t.same(await look([], {}), { refused: 'UNREACHABLE' })
})

t.test('case 158: the dial refuses what DNS says, before a byte is sent', async t => {
  const store = await startEvilRegistry(t)
  store.script = answer(200, {}, 'x')
  const { port } = new URL(store.url)
  const ask = async (origin: string, url: string, ...addresses: readonly string[]): Promise<unknown> => {
    const dial = openDial({
      origin: new URL(origin),
      trust: { kind: 'system' },
      clientCertificate: undefined,
      timeouts: MS,
      maxConnections: 8,
      resolveAll: dns(...addresses),
    })
    try {
      const signal = AbortSignal.timeout(2000)
      const { status, body } = await dial.send({ method: 'GET', url: new URL(url), headers: {}, signal })
      body.destroy()
      return status
    } catch (error) {
      return error instanceof Error && 'code' in error ? error.code : error
    } finally {
      await dial.close()
    }
  }
  const far = 'http://registry.example.org'
  const table = [
    ['a name at the metadata address', far, `http://store.example.org:${port}/x`, '169.254.169.254', 'BLOCKED'],
    ['the metadata address itself', far, 'http://169.254.169.254/x', '', 'BLOCKED'],
    ['the same in another spelling', far, 'http://0xa9.0xfe.43518/x', '', 'BLOCKED'],
    ['the same, mapped', far, 'http://[::ffff:169.254.169.254]/x', '', 'BLOCKED'],
    ['a name at the loopback', far, `http://store.example.org:${port}/x`, '127.0.0.1', 'BLOCKED'],
    ['the loopback, named as it is', far, `http://127.0.0.1:${port}/x`, '', 200],
    [
      'a name at the loopback, as the upstream',
      'http://localhost:1',
      `http://store.example:${port}/x`,
      '127.0.0.1',
      200,
    ],
    ['an upstream of this machine gets no metadata', 'http://localhost:1', 'http://s.example/x', 'fe80::1', 'BLOCKED'],
    ['its own origin is not asked about', `http://localhost:${port}`, `http://localhost:${port}/x`, 'fe80::1', 200],
  ] as const
  for (const [it, origin, url, address, due] of table) t.equal(await ask(origin, url, address), due, it)
  t.equal(store.requests.length, 3)
})

t.test('case 158: an address is itself in every spelling that a URL takes', async t => {
  const spellings = [
    'http://169.254.169.254/x',
    // Full stops of other scripts, which IDNA maps to dots.
    'http://169\u3002254\u3002169\u3002254/x',
    'http://169\uff0e254\uff0e169\uff61254/x',
    // Digits in full width.
    'http://\uff11\uff16\uff19.254.169.254/x',
    'http://0xa9fea9fe/x',
    'http://2852039166/x',
    'http://0251.0376.0251.0376/x',
    'http://169.254.43518/x',
    'http://169.254.169.254./x',
    'http://%31%36%39.254.169.254/x',
    'http://[::ffff:169.254.169.254]/x',
  ]
  for (const text of spellings)
    t.throws(() => checkLiteralHost(new URL(text)), { code: 'BLOCKED' }, JSON.stringify(text))
  t.doesNotThrow(() => checkLiteralHost(new URL('http://192.0.2.1/x')))
  for (const text of ['http://169.254.169.254\0.example.org/', 'http://example.org%00/', 'http://exa\uff0fmple.org/'])
    t.equal(URL.parse(text), null, `${JSON.stringify(text)} is no URL, so nobody is asked`)
})

t.test('case 209: DNS that has no answer, fails or says nothing at all is "come again", in bounded time', async t => {
  // undici's timers keep no process alive; the gate's own port does.
  await startEvilRegistry(t)
  const rows: readonly { readonly it: string; readonly resolveAll: ResolveAll; readonly code: string }[] = [
    { it: 'no address', resolveAll: dns(), code: 'UNREACHABLE' },
    {
      it: 'SERVFAIL',
      resolveAll: (_name, done) => done(Object.assign(new Error('getaddrinfo'), { code: 'EAI_AGAIN' }), []),
      code: 'UNREACHABLE',
    },
    { it: 'silence', resolveAll: () => undefined, code: 'TIMED_OUT' },
  ]
  for (const { it, resolveAll, code } of rows) {
    const dial = openDial({
      origin: new URL('http://registry.example.org'),
      trust: { kind: 'system' },
      clientCertificate: undefined,
      timeouts: MS,
      maxConnections: 8,
      resolveAll,
    })
    const began = performance.now()
    // Nobody else's patience ends it.
    const signal = AbortSignal.timeout(60_000)
    const asked = dial.send({ method: 'GET', url: new URL('http://store.example.org/x'), headers: {}, signal })
    await t.rejects(asked, { name: 'UpstreamError', code }, it)
    t.ok(performance.now() - began < 20_000, it)
    await dial.close()
  }
})
