import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, Socket, type Server } from 'node:net'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { answerTogether } from '../../src/http/answers-together.ts'

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

t.test('what is written in one turn of the event loop goes out at its end, one right after the other', async t => {
  const handedOver = countCalls(t, '_writev')
  const pairs = [await pairOf(t), await pairOf(t), await pairOf(t)]
  for (const [index, { ours }] of pairs.entries()) answer(ours, `head ${index};`, `body ${index}`)
  t.equal(handedOver(), 0, 'not yet')
  await turn()
  t.equal(handedOver(), pairs.length)
  for (const { ours } of pairs) answer(ours, ';again', '!')
  t.equal(handedOver(), pairs.length)
  await turn()
  t.equal(handedOver(), 2 * pairs.length, 'and so do those of the next')
  for (const [index, { ours, theirs }] of pairs.entries()) {
    ours.end()
    t.equal(await text(theirs), `head ${index};body ${index};again!`, 'each to its own client, in order')
  }
})

t.test('an answer goes before its connection is ended for what came after the request', async t => {
  const handedOver = countCalls(t, '_writev')
  const { ours, theirs, server } = await pairOf(t)
  answer(ours, 'a', 'b')
  server.prependListener('clientError', () => t.equal(handedOver(), 0))
  server.on('clientError', () => ours.end())
  server.emit('clientError', new Error('no HTTP'), ours)
  t.equal(handedOver(), 1)
  t.equal(await text(theirs), 'ab')
  await turn()
  t.equal(handedOver(), 1, 'and not once more at the end of the turn')
})

t.test('nothing waits where turns are long', async t => {
  let mayWait = false
  const handedOver = countCalls(t, '_writev')
  const { ours, theirs } = await pairOf(t, () => mayWait)
  answer(ours, 'a', 'b')
  t.equal(handedOver(), 1, 'at once')
  mayWait = true
  answer(ours, 'c', 'd')
  t.equal(handedOver(), 1)
  await turn()
  t.equal(handedOver(), 2)
  ours.end()
  t.equal(await text(theirs), 'abcd')
})

t.test('one piece, as a stream writes them, does not wait', async t => {
  const { ours, theirs } = await pairOf(t)
  const handedOver = countCalls(t, '_write')
  ours.write('chunk')
  t.equal(handedOver(), 1)
  ours.end()
  t.equal(await text(theirs), 'chunk')
})

t.test('a client that has gone before the end of the turn takes nothing from the others', async t => {
  const [gone, here] = [await pairOf(t), await pairOf(t)]
  const told = new Promise<unknown>(resolve => answer(gone.ours, 'a', 'b', resolve))
  answer(here.ours, 'c', 'd')
  gone.ours.destroy()
  t.ok((await told) instanceof Error, 'its writer is told')
  here.ours.end()
  t.equal(await text(here.theirs), 'cd')
})

t.test('a throw on the way is of one answer alone', async t => {
  const program = `
    import { connect, createServer } from 'node:net'
    import { answerTogether } from ${JSON.stringify(new URL('../../src/http/answers-together.ts', import.meta.url))}
    process.on('uncaughtException', error => console.log(error.message))
    const theirs = []
    const server = createServer(socket => {
      if (theirs.push(socket) < 3) return
      for (const [index, one] of theirs.entries()) {
        one.cork()
        one.write('head')
        one.write('body', () => { if (index === 0) throw new Error('thrown') })
        one.uncork()
      }
      server.close()
    })
    answerTogether(server, 'connection', () => true)
    server.listen(0, '127.0.0.1', () => {
      for (let index = 0; index < 3; index += 1) {
        const client = connect(server.address().port, '127.0.0.1')
        client.once('data', bytes => { console.log(String(bytes)); client.destroy() })
      }
    })
    setTimeout(() => process.exit(1), 5000).unref()
  `
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
  t.same(stdout.trim().split('\n').sort(), ['headbody', 'headbody', 'headbody', 'thrown'])
})

function answer(socket: Socket, head: string, body: string, taken: (error?: Error | null) => void = () => {}): void {
  socket.cork()
  socket.write(head)
  socket.write(body, taken)
  socket.uncork()
}

/** How often sockets have been handed something to write, one piece (`_write`) or several. */
function countCalls(t: Test, name: '_write' | '_writev'): () => number {
  const { prototype } = Socket
  const original: unknown = Reflect.get(prototype, name)
  if (typeof original !== 'function') throw new Error(`a socket has no ${name} here`)
  let count = 0
  Reflect.set(prototype, name, function (this: Socket, ...args: unknown[]) {
    count += 1
    return Reflect.apply(original, this, args)
  })
  t.teardown(() => Reflect.set(prototype, name, original))
  return () => count
}

/** The two ends of a connection to a server whose answers go together. */
async function pairOf(
  t: Test,
  mayWait = (): boolean => true,
): Promise<{ readonly ours: Socket; readonly theirs: Socket; readonly server: Server }> {
  const server = createServer().listen(0, '127.0.0.1')
  answerTogether(server, 'connection', mayWait)
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const theirs = connect(address.port, '127.0.0.1')
  const accepted = await once(server, 'connection')
  const ours: unknown = accepted[0]
  if (!(ours instanceof Socket)) throw new Error('no socket')
  for (const socket of [ours, theirs]) socket.on('error', () => {})
  t.teardown(() => {
    ours.destroy()
    theirs.destroy()
    server.close()
  })
  return { ours, theirs, server }
}
