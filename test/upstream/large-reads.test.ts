import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type Server, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { openDial } from '../../src/upstream/dial.ts'
import { connectForLargeReads, readsInto } from '../../src/upstream/large-reads.ts'

const KIB = 1024

t.test(
  'a buffer is given up when a read has filled it, copied from when not, and large while there is much to read',
  async t => {
    const chunks: Uint8Array[] = []
    const reading = readsInto(chunk => chunks.push(chunk) < 7)
    const reads = [
      { read: 5, from: 16 * KIB },
      { read: 16 * KIB - 1, from: 16 * KIB },
      { read: 16 * KIB, from: 16 * KIB },
      { read: 256 * KIB, from: 256 * KIB },
      { read: 100 * KIB, from: 256 * KIB },
      { read: 16 * KIB - 1, from: 256 * KIB },
      { read: 3, from: 16 * KIB },
    ]
    const offered = new Set<ArrayBufferLike>()
    const handedOn = new Set<ArrayBufferLike>()
    for (const [index, { read, from }] of reads.entries()) {
      if (typeof reading.buffer !== 'function') throw new Error('one buffer for all reads')
      const into = reading.buffer()
      offered.add(into.buffer)
      t.equal(into.byteLength, from, `read ${index} goes into ${from} bytes`)
      t.notOk(handedOn.has(into.buffer), 'nothing is read into what has been handed on')
      into.fill(index + 1, 0, read)
      t.equal(reading.callback(read, into), index < 6, 'whether there is room for more is said on')
      const chunk = chunks[index]
      t.ok(chunk?.byteLength === read && chunk.buffer.byteLength === read, 'all of a buffer of its own')
      t.equal(offered.has(chunk?.buffer ?? new ArrayBuffer(0)), read === from, 'moved where it was filled, else copied')
      if (chunk !== undefined) handedOn.add(chunk.buffer)
    }
    for (const [index, chunk] of chunks.entries())
      t.ok(
        chunk.every(byte => byte === index + 1),
        `chunk ${index} is as it was read`,
      )
  },
)

t.test('what comes through a socket is what was sent, in pieces larger than Node reads', async t => {
  const sent = randomBytes(20 * KIB * KIB)
  const socket = await connectTo(t, peer => peer.end(sent))
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk)
  t.ok(Buffer.concat(chunks).equals(sent))
  t.ok(Math.max(...chunks.map(chunk => chunk.byteLength)) > 64 * KIB)
})

t.test('a registry over plain HTTP is read so', async t => {
  const sent = randomBytes(8 * KIB * KIB)
  const server = createHttpServer((_request, response) => response.end(sent)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = new URL(`http://127.0.0.1:${portOf(server)}`)
  const timeouts = { connectMs: 5000, headersMs: 5000, bodyMs: 5000 }
  const dial = openDial({
    origin,
    trust: { kind: 'system' },
    clientCertificate: undefined,
    timeouts,
    maxConnections: 1,
  })
  t.teardown(async () => {
    await dial.close()
    server.close()
  })
  const { body } = await dial.send({ method: 'GET', url: origin, headers: {}, signal: AbortSignal.timeout(5000) })
  const chunks: Buffer[] = []
  for await (const chunk of body) chunks.push(chunk)
  t.ok(Buffer.concat(chunks).equals(sent))
  t.ok(Math.max(...chunks.map(chunk => chunk.byteLength)) > 64 * KIB)
})

t.test('a socket that nobody reads from is not read', async t => {
  let peer: Socket | undefined
  const socket = await connectTo(t, connection => {
    peer = connection
    connection.write(Buffer.alloc(64 * KIB * KIB))
  })
  socket.once('readable', () => {})
  await new Promise(resolve => setTimeout(resolve, 300))
  t.ok(socket.readableLength > 0)
  t.ok(socket.readableLength <= 512 * KIB, `${socket.readableLength} bytes are held`)
  t.ok((peer?.writableLength ?? 0) > 0, 'the other end waits')
})

t.test('a connection that fails is told', async t => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const port = portOf(server)
  await new Promise(resolve => server.close(resolve))
  await t.rejects(connect(port), { code: 'ECONNREFUSED' })
})

async function connectTo(t: Test, onPeer: (peer: Socket) => void): Promise<Socket> {
  const server = createServer(peer => {
    peer.on('error', () => {})
    onPeer(peer)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = await connect(portOf(server))
  t.teardown(() => {
    socket.destroy()
    server.close()
  })
  return socket
}

function portOf(server: Server): string {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return String(address.port)
}

async function connect(port: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const target = { hostname: '127.0.0.1', host: `127.0.0.1:${port}`, protocol: 'http:', port }
    connectForLargeReads({ timeout: 5000 })(target, (...[error, socket]) =>
      error === null ? resolve(socket) : reject(error),
    )
  })
}
