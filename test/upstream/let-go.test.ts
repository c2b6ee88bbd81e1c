import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { openDial, type Dial } from '../../src/upstream/dial.ts'
import { letGo } from '../../src/upstream/let-go.ts'
import { within } from '../support/upstream.ts'

type Teardown = { readonly teardown: (handler: () => unknown) => void }

/** A server that answers 404 with so many bytes, and then with one more again and again. */
async function serve(
  t: Teardown,
  bytes: number,
  { drips = false } = {},
): Promise<{ dial: Dial; url: URL; sockets: () => number }> {
  let connections = 0
  const server: Server = createServer((_request, response) => {
    response.writeHead(404).flushHeaders()
    // Later than its head: what has come whole already is let go by itself.
    const timer = globalThis.setTimeout(() => {
      response.write(Buffer.alloc(bytes, 'x'))
      if (!drips) response.end()
    }, 20)
    const dripping = setInterval(() => drips && response.write('x'), 50)
    response.on('close', () => {
      clearTimeout(timer)
      clearInterval(dripping)
    })
  })
  server.on('connection', () => (connections += 1))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const url = new URL(`http://127.0.0.1:${address.port}/`)
  const timeouts = { connectMs: 1000, headersMs: 1000, bodyMs: 1000 }
  const dial = openDial({
    origin: url,
    trust: { kind: 'system' },
    clientCertificate: undefined,
    timeouts,
    maxConnections: 8,
  })
  t.teardown(async () => {
    await dial.close()
    server.closeAllConnections()
    server.close()
  })
  return { dial, url, sockets: () => connections }
}

async function ask({ dial, url }: { dial: Dial; url: URL }): Promise<void> {
  const answer = await dial.send({ method: 'GET', url, headers: {}, signal: within() })
  const closed = new Promise(resolve => answer.body.once('close', resolve))
  letGo(answer.body)
  await closed
  // undici gives a socket that has answered a turn of the event loop before it is used again.
  await setTimeout(5)
}

t.test('a short body that nobody wants leaves its socket to the next request', async t => {
  for (const bytes of [1, 200, 16 * 1024]) {
    const server = await serve(t, bytes)
    for (let round = 0; round < 5; round += 1) await ask(server)
    t.equal(server.sockets(), 1, `${bytes} bytes`)
  }
})

t.test('a long one is cut off, and so is one that drips', async t => {
  const long = await serve(t, 1024 * 1024)
  for (let round = 0; round < 3; round += 1) await ask(long)
  t.equal(long.sockets(), 3)
  const begun = performance.now()
  await ask(await serve(t, 10, { drips: true }))
  const took = performance.now() - begun
  t.ok(took > 900 && took < 3000, `after ${Math.round(took)} ms`)
})
