import { createServer as createTlsServer, type Server as TlsServer, type ServerOptions } from 'node:https'
import type { RequestListener, Server } from 'node:http'
import { createSecureContext } from 'node:tls'
import type { Config } from '../config/config.ts'
import { ConfigError } from '../config/load-config.ts'
import type { Logger } from '../observe/logger.ts'
import { messageOf } from '../trust/trust-error.ts'
import { watchFiles } from './watched-files.ts'

const POLL_MS = 1000
const HANDSHAKE_MS = 20_000

/** A place to be served over TLS: makes the server, and keeps its certificate fresh. */
export type Tls = {
  readonly serve: (options: ServerOptions, listener: RequestListener) => Server
  readonly close: () => void
}

type Pems = { readonly cert: Buffer; readonly key: Buffer; readonly ca: Buffer | undefined }

/**
 * TLS as configured. A changed certificate, key or client CA is used for the next handshake; connections that are open stay.
 * Files that do not fit together change nothing.
 *
 * @throws ConfigError
 */
export async function openTls(config: Config['tls'], logger: Logger): Promise<Tls | undefined> {
  if (config === undefined) return undefined
  const { cert, key, clientCa } = config
  let inForce: Pems | undefined
  const servers: TlsServer[] = []
  try {
    const { close } = await watchFiles({
      paths: clientCa === undefined ? [cert, key] : [cert, key, clientCa],
      read: ([certPem, keyPem, caPem]) => checkedPems(certPem, keyPem, caPem),
      onChange: pems => {
        inForce = pems
        for (const server of servers) server.setSecureContext(contextOf(pems))
        if (servers.length > 0) logger.info({ cert }, 'certificate in force')
      },
      onFailure: problem =>
        logger.error({ problem }, 'the new certificate cannot be used; the last good one stays in force'),
      pollMs: POLL_MS,
    })
    return {
      serve(options, listener) {
        if (inForce === undefined) throw new Error('no certificate was loaded')
        const mutual = clientCa === undefined ? {} : { requestCert: true, rejectUnauthorized: true }
        const server = createTlsServer(
          { ...options, ...contextOf(inForce), ...mutual, handshakeTimeout: HANDSHAKE_MS },
          listener,
        )
        servers.push(server)
        return server
      },
      close,
    }
  } catch (cause) {
    throw new ConfigError('the configuration', [`tls: ${messageOf(cause)}`], { cause })
  }
}

/** Throws where certificate and key are no pair, or one of them is no PEM: before anything of them is used. */
function checkedPems(cert: Uint8Array = new Uint8Array(), key: Uint8Array = new Uint8Array(), ca?: Uint8Array): Pems {
  const pems = { cert: Buffer.from(cert), key: Buffer.from(key), ca: ca && Buffer.from(ca) }
  createSecureContext(contextOf(pems))
  return pems
}

function contextOf({ cert, key, ca }: Pems): { cert: Buffer; key: Buffer; ca?: Buffer; minVersion: 'TLSv1.2' } {
  return { cert, key, minVersion: 'TLSv1.2', ...(ca === undefined ? {} : { ca }) }
}
