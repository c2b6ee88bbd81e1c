import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { once } from 'node:events'

/**
 * What happens to connections: `reset` breaks them at the first byte; `silence` takes bytes and never answers, also on
 * connections that are open already; `half-open` is that for open ones only, and new ones are well.
 */
export type ConnectionFault = 'none' | 'reset' | 'silence' | 'half-open' | 'not-http'

export type Front = {
  /** host:port, or unix:/path */
  readonly address: string
  readonly setFault: (fault: ConnectionFault) => void
  /** Listens no longer and cuts what is connected: the program behind it is down. */
  readonly stop: () => Promise<void>
  /** Listens again at the same address. */
  readonly start: () => Promise<void>
}

/** A listener before a server, where connections can be broken in ways that no server breaks them. */
export async function openFront(options: {
  readonly backend: string
  readonly path: string | undefined
}): Promise<Front> {
  let fault: ConnectionFault = 'none'
  const sockets = new Set<Socket>()
  const silenced = new WeakSet<Socket>()
  const track = (socket: Socket): void => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
  }
  const newServer = () =>
    createServer(socket => {
      track(socket)
      if (fault === 'reset') return void socket.once('data', () => breakOff(socket))
      if (fault === 'silence') return void socket.resume()
      if (fault === 'not-http') return void socket.once('data', () => socket.end('220 mail.example ESMTP\r\n'))
      const [host = '', port] = options.backend.split(':')
      const behind = connect(Number(port), host)
      track(behind)
      socket.on('close', () => behind.destroy())
      behind.on('close', () => socket.destroy())
      socket.on('data', bytes => silenced.has(socket) || behind.write(bytes))
      behind.on('data', bytes => silenced.has(socket) || socket.write(bytes))
    })
  let server = newServer()
  let port = 0
  const listen = async (): Promise<void> => {
    if (options.path === undefined) server.listen(port, '127.0.0.1')
    else server.listen(options.path)
    await once(server, 'listening')
    if (options.path === undefined) port = (server.address() as AddressInfo).port
  }
  await listen()
  return {
    address: options.path === undefined ? `127.0.0.1:${port}` : `unix:${options.path}`,
    setFault(next) {
      if (fault === next) return
      fault = next
      if (next === 'silence' || next === 'half-open') {
        for (const socket of sockets) silenced.add(socket)
        return
      }
      // What is connected already would not see it.
      for (const socket of sockets) socket.destroy()
    },
    async stop() {
      if (!server.listening) return
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
    async start() {
      server = newServer()
      await listen()
    },
  }
}

function breakOff(socket: Socket): void {
  if (socket.remoteAddress === undefined) socket.destroy()
  else socket.resetAndDestroy()
}
