import { createServer, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import type { Issued } from './certificates.ts'

type Teardown = { readonly teardown: (handler: () => unknown) => void }

/** Whatever is written to the socket instead of the command's own answer; true if this was one. */
export type RedisScript = (command: readonly Buffer[], socket: Socket) => boolean

export type FakeRedis = {
  readonly url: string
  readonly entries: Map<string, Buffer>
  /** Every command that came, by name: `GETRANGE`. */
  readonly commands: string[]
  script: RedisScript | undefined
  readonly sockets: ReadonlySet<Socket>
  readonly close: () => Promise<void>
}

/** A Redis of a few commands over a raw socket, or TLS, that can be made to answer anything at all, or nothing. */
export async function startFakeRedis(t: Teardown, tls?: Pick<Issued, 'cert' | 'key'>): Promise<FakeRedis> {
  const entries = new Map<string, Buffer>()
  const commands: string[] = []
  const sockets = new Set<Socket>()
  const serve = (socket: Socket): void => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    let rest: Buffer = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk])
      for (;;) {
        const parsed = parseCommand(rest)
        if (parsed === undefined) return
        rest = parsed.rest
        commands.push(parsed.command[0]?.toString().toUpperCase() ?? '')
        if (fake.script?.(parsed.command, socket) !== true) socket.write(answer(parsed.command, entries))
      }
    })
  }
  const server = tls === undefined ? createServer(serve) : createTlsServer(tls, serve)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy()
    await new Promise<void>(resolve => server.close(() => resolve()))
  }
  t.teardown(close)
  const fake: FakeRedis = {
    url: `${tls === undefined ? 'redis' : 'rediss'}://127.0.0.1:${address.port}`,
    entries,
    commands,
    script: undefined,
    sockets,
    close,
  }
  return fake
}

/** A bulk string as it is sent. */
export function bulk(bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`$${bytes.byteLength}\r\n`), bytes, Buffer.from('\r\n')])
}

function answer(command: readonly Buffer[], entries: Map<string, Buffer>): Buffer {
  const [name, key, value, end] = command
  switch (name?.toString().toUpperCase() ?? '') {
    case 'GETRANGE':
      return bulk((entries.get(key?.toString() ?? '') ?? Buffer.alloc(0)).subarray(Number(value), Number(end) + 1))
    case 'SET':
      entries.set(key?.toString() ?? '', value ?? Buffer.alloc(0))
      return Buffer.from('+OK\r\n')
    case 'AUTH':
    case 'SELECT':
      return Buffer.from('+OK\r\n')
    default:
      return Buffer.from('-ERR unknown command\r\n')
  }
}

/** `*2\r\n$3\r\nGET\r\n$1\r\nx\r\n` -> GET, x; undefined while a part is missing. */
function parseCommand(bytes: Buffer): { readonly command: readonly Buffer[]; readonly rest: Buffer } | undefined {
  let at = 0
  const line = (): string | undefined => {
    const end = bytes.indexOf('\r\n', at)
    if (end === -1) return undefined
    const text = bytes.toString('latin1', at + 1, end)
    at = end + 2
    return text
  }
  const count = line()
  if (count === undefined) return undefined
  const command: Buffer[] = []
  for (let index = 0; index < Number(count); index += 1) {
    const length = Number(line())
    if (!(at + length + 2 <= bytes.length)) return undefined
    command.push(bytes.subarray(at, at + length))
    at += length + 2
  }
  return { command, rest: bytes.subarray(at) }
}
