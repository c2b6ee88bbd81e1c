import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { AbstractConnector, Redis } from 'iovalkey'
import { MAX_ENTRY_BYTES } from './entry.ts'
import { ReplyGuard } from './reply-guard.ts'

/** Where a Redis or Valkey server is, and how it is asked in. */
export type RedisPlace = {
  readonly host: string
  readonly port: number
  readonly database: number
  readonly username: string | undefined
  readonly password: string | undefined
  /** undefined: plain TCP. `ca` undefined: the system's CAs. */
  readonly tls: { readonly ca: string | undefined } | undefined
}

const CONNECT_MS = 1000

/**
 * A client for one connection: nothing is queued while there is none, nothing is sent a second time, and when it ends it is
 * not opened again. It is not connected yet.
 */
export function dialRedis(place: RedisPlace): Redis {
  const { database, username, password } = place
  const client = new Redis({
    Connector: connectorTo(place),
    lazyConnect: true,
    enableOfflineQueue: false,
    // Asks INFO, which an ACL may forbid; whether the server can be read is found out by reading.
    enableReadyCheck: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    connectTimeout: CONNECT_MS,
    db: database,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
  })
  return client
}

type Connector = new (options: unknown) => AbstractConnector

function connectorTo(place: RedisPlace): Connector {
  return class extends AbstractConnector {
    constructor() {
      super(0)
    }

    override async connect(): Promise<Socket> {
      const socket = dial(place)
      this.stream = socket
      return socket
    }

    /** At once: a server that does not answer does not answer a goodbye either. */
    override disconnect(): void {
      this.stream?.destroy()
    }
  }
}

function dial({ host, port, tls }: RedisPlace): Socket {
  const target = { host, port, noDelay: true }
  const socket =
    tls === undefined
      ? connectTcp(target)
      : connectTls({
          ...target,
          minVersion: 'TLSv1.2',
          ...(/^[0-9.]+$|:/.test(host) ? {} : { servername: host }),
          ...(tls.ca === undefined ? {} : { ca: tls.ca }),
        })
  // The client listens for the first error only.
  socket.on('error', ignore)
  const guard = new ReplyGuard({ maxBulkBytes: MAX_ENTRY_BYTES + 1 })
  const push = socket.push.bind(socket)
  socket.push = (chunk: unknown, encoding?: BufferEncoding): boolean => {
    if (!(chunk instanceof Uint8Array) || guard.accepts(chunk)) return push(chunk, encoding)
    socket.destroy(new Error('the server sent what no command of ours is answered by'))
    return false
  }
  return socket
}

/** Said already, by the client's own listener. */
function ignore(): void {}
