import { createServer, get } from 'node:http'
import { Readable } from 'node:stream'
import { createHash, randomBytes } from 'node:crypto'
import t from 'tap'
import { HashThread } from '../../../src/http/blob/hash-thread.ts'
import { Turns } from '../../../src/http/blob/turns.ts'
import { streamPartOfBlob, streamWholeBlob, type BlobStream } from '../../../src/http/blob/stream-blob.ts'
import { digestOf, isDigest } from '../../../src/reference/digest.ts'
import { chunks, manifests, MIB, others } from './blobs.ts'

const thread = new HashThread()
t.teardown(() => thread.close())

type Outcome = {
  /** The error's name, or `whole`. */
  readonly end: string
  /** Whether the first byte was announced: until then an error can be answered. */
  readonly begun: boolean
  /** What a client has got, and whether its response came to an end. */
  readonly received: Buffer
  readonly complete: boolean
}

/** Sends a stream through a real socket. */
async function sent(
  body: Readable,
  send: (stream: BlobStream) => Promise<void>,
  turns: Turns = new Turns(),
): Promise<Outcome> {
  let begun = false
  const ended = Promise.withResolvers<string>()
  const server = createServer((_request, response) => {
    const begin = (): void => {
      begun = true
      response.writeHead(200)
    }
    send({ body, response, begin, turns }).then(
      () => ended.resolve('whole'),
      (error: unknown) => {
        response.destroy()
        ended.resolve(error instanceof Error ? error.name : String(error))
      },
    )
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const parts: Buffer[] = []
  const complete = await new Promise<boolean>(resolve => {
    get({ host: '127.0.0.1', port: address.port, agent: false }, response => {
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('error', () => undefined)
      response.on('close', () => resolve(response.complete))
    }).on('error', () => resolve(false))
  })
  server.close()
  return { end: await ended.promise, begun, received: Buffer.concat(parts), complete }
}

function whole(bytes: Buffer, options: { chunk?: number; digest?: Buffer; turns?: Turns } = {}): Promise<Outcome> {
  const digest = digestOf(options.digest ?? bytes)
  return sent(
    chunks(bytes, options.chunk ?? 64 * 1024),
    stream => streamWholeBlob(stream, digest, thread),
    options.turns,
  )
}

t.test('a manifest never leaves as a blob (case 123)', async t => {
  for (const { it, text } of manifests) {
    for (const chunk of [1_000_000, 7]) {
      const { begun, end } = await whole(Buffer.from(text), { chunk })
      t.same({ begun, end }, { begun: false, end: 'ManifestInBlobError' }, `${it}, ${chunk} bytes at a time`)
    }
  }
})

t.test('anything else leaves whole', async t => {
  for (const { it, bytes } of others) {
    const { end, received, complete } = await whole(bytes)
    t.same({ end, complete }, { end: 'whole', complete: true }, it)
    t.ok(received.equals(bytes), `${it}: every byte in its place`)
  }
})

t.test('a large chunk leaves in pieces while others ask, and is hashed once all of them have left', async t => {
  const bytes = randomBytes(8 * MIB)
  const turns = new Turns()
  turns.noteRequest()
  const { end, received, complete } = await whole(bytes, { chunk: MIB + 1, turns })
  t.same({ end, complete }, { end: 'whole', complete: true })
  t.ok(received.equals(bytes), 'every byte in its place')
  t.equal(turns.hasStreams, false)
})

t.test('a stream takes a turn for each piece that it writes, however large its chunks are', async t => {
  const turns = new Turns()
  const pieces: number[] = []
  const begin = turns.begin.bind(turns)
  turns.begin = () => {
    const turn = begin()
    return { ...turn, after: piece => (pieces.push(piece.byteLength), turn.after(piece)) }
  }
  turns.noteRequest()
  await whole(Buffer.alloc(2 * MIB, 1), { chunk: MIB, turns })
  t.same(
    pieces,
    Array.from({ length: 32 }, () => 64 * 1024),
  )
})

t.test('a document too large to be a manifest still never leaves whole', async t => {
  const bytes = Buffer.from(`{"a":${JSON.stringify('x'.repeat(5 * MIB))},"layers":[]}`)
  const { end, complete } = await whole(bytes)
  t.same({ end, complete }, { end: 'ManifestInBlobError', complete: false })
})

t.test('bytes with another digest never leave whole (case 125)', async t => {
  const rows: readonly { it: string; size: number; begun: boolean }[] = [
    { it: 'a short blob does not leave at all', size: 5, begun: false },
    { it: 'one that is hashed where it is', size: 200 * 1024, begun: true },
    { it: 'one that the thread hashes', size: 3 * MIB, begun: true },
  ]
  for (const { it, size, begun } of rows) {
    const bytes = Buffer.alloc(size, 1)
    const outcome = await whole(bytes, { digest: Buffer.from('other') })
    t.match(outcome, { end: 'BlobDigestError', begun, complete: false }, it)
    t.ok(outcome.received.length < size, `${it}: less than the whole`)
  }
})

t.test('every byte leaves in order, however it came', async t => {
  const bytes = Buffer.from(Uint8Array.from({ length: 3 * MIB + 17 }, (_, index) => (index * 7 + (index >> 8)) % 251))
  for (const chunk of [64 * 1024, 1000, 65_537, 4 * MIB]) {
    const { end, received } = await whole(bytes, { chunk })
    t.equal(end, 'whole', `${chunk} bytes at a time`)
    t.ok(received.equals(bytes), `${chunk} bytes at a time`)
  }
  const views = Readable.from([bytes.subarray(0, MIB), bytes.subarray(MIB, 2 * MIB), bytes.subarray(2 * MIB)])
  const { received } = await sent(views, stream => streamWholeBlob(stream, digestOf(bytes), thread))
  t.ok(received.equals(bytes), 'views of one buffer, which is not taken from its owner')
  t.equal(bytes.length, 3 * MIB + 17)
})

t.test('sha512 is hashed as such', async t => {
  const bytes = Buffer.alloc(MIB, 3)
  const digest = `sha512:${createHash('sha512').update(bytes).digest('hex')}`
  if (!isDigest(digest)) throw new Error(digest)
  const { end } = await sent(chunks(bytes, 65_536), stream => streamWholeBlob(stream, digest, thread))
  t.equal(end, 'whole')
})

t.test('many blobs at once do not mix', async t => {
  const outcomes = await Promise.all(
    Array.from({ length: 12 }, (_, index) => whole(Buffer.alloc(2 * MIB + index, index + 1))),
  )
  t.same(
    outcomes.map(({ end }) => end),
    outcomes.map(() => 'whole'),
  )
})

t.test('a stream that breaks is cut, and the thread goes on', async t => {
  const broken = Readable.from(
    (async function* () {
      for (let part = 0; part < 20; part += 1) yield Buffer.alloc(65_536, 1)
      throw new RangeError('the upstream hung up')
    })(),
  )
  const outcome = await sent(broken, stream => streamWholeBlob(stream, digestOf(Buffer.from('')), thread))
  t.match(outcome, { end: 'RangeError', begun: true, complete: false })
  t.equal((await whole(Buffer.alloc(MIB))).end, 'whole')
})

t.test('when the thread ends, what it was hashing is cut, and the next blob has another', async t => {
  const mortal = new HashThread()
  const body = Readable.from(
    (async function* () {
      for (let part = 0; part < 20; part += 1) yield Buffer.alloc(65_536, 1)
      await mortal.close()
      yield Buffer.alloc(65_536, 1)
    })(),
  )
  const bytes = Buffer.alloc(21 * 65_536, 1)
  const outcome = await sent(body, stream => streamWholeBlob(stream, digestOf(bytes), mortal))
  t.match(outcome, { end: 'HashThreadError', complete: false })
  const next = await sent(chunks(bytes, 65_536), stream => streamWholeBlob(stream, digestOf(bytes), mortal))
  t.equal(next.end, 'whole')
  await mortal.close()
})

t.test('a part of a blob leaves as it came', async t => {
  const bytes = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, index) => index % 249))
  for (const isBeginning of [true, false]) {
    const part = (stream: BlobStream): Promise<void> => streamPartOfBlob(stream, { isBeginning })
    const { end, received, complete } = await sent(chunks(bytes, 65_536), part)
    t.same({ end, complete }, { end: 'whole', complete: true })
    t.ok(received.equals(bytes))
  }
  const manifest = Buffer.from('{"schemaVersion":2,"layers":[]}')
  const beginning = await sent(chunks(manifest, 5), stream => streamPartOfBlob(stream, { isBeginning: true }))
  t.match(beginning, { end: 'ManifestInBlobError', begun: false }, 'a manifest at the beginning of a part (case 123)')
})

t.test('a blob that comes fast lets others have their turn (p99 of manifests beside blobs)', async t => {
  let turns = 0
  let isOver = false
  const count = (): void => {
    turns += 1
    if (!isOver) setImmediate(count)
  }
  setImmediate(count)
  const bytes = Buffer.alloc(4 * MIB, 7)
  await whole(bytes)
  isOver = true
  // One that is alone moves 256 KiB in a turn; see turns.test.ts for what it does beside others.
  const atLeast = bytes.length / (256 * 1024)
  t.ok(turns >= atLeast, `${turns} turns of the event loop for ${bytes.length / 65_536} chunks`)
})
