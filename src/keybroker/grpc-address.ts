import { lstat, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Failure } from './broker.ts'
import type { Parsed } from './resource.ts'

/** Where a gRPC server listens, without TLS: these brokers have none. */
export type GrpcAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }

const TCP = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?):([0-9]{1,5})$/
const UNIX = /^unix:(?:\/\/)?(\/[^/].*)$/
const MAX_PORT = 65_535

/** Parses `127.0.0.1:50001`, `[::1]:50001`, `unix:/run/agent.sock` or `unix:///run/agent.sock`. */
export function parseGrpcAddress(text: string): Parsed<GrpcAddress> {
  const path = UNIX.exec(text)?.[1]
  if (path !== undefined) return { ok: true, value: { kind: 'unix', path } }
  const [, host, digits] = TCP.exec(text) ?? []
  const port = Number(digits)
  if (host === undefined || port < 1 || port > MAX_PORT) {
    return { ok: false, problem: `the address ${JSON.stringify(text)} is neither host:port nor unix:/path` }
  }
  return { ok: true, value: { kind: 'tcp', host, port } }
}

/** As grpc-js wants it: the scheme is written out, so that no host is taken for one. */
export function grpcTarget(address: GrpcAddress): string {
  return address.kind === 'tcp' ? `dns:${address.host}:${address.port}` : `unix:${address.path}`
}

const OTHERS_MAY_WRITE = 0o002

/**
 * Whoever can put a socket at the path decides what may run (case 193). So it must be a socket and no symbolic link; in
 * a directory that everybody may write to (/tmp; a pod's emptyDir), it must belong to root or to this process's user.
 * In other directories the directory's permissions are the guard. Between this look and the connection somebody who can
 * write there may still swap it: keep the socket where only the agent can write.
 */
export async function checkSocket(path: string, failure: Failure): Promise<void> {
  let socket, directory
  try {
    socket = await lstat(path)
    directory = await stat(dirname(path))
  } catch (cause) {
    throw failure('NOT_REACHABLE', `there is no socket (${codeOf(cause)})`, { cause })
  }
  if (socket.isSymbolicLink()) throw failure('UNSAFE_SOCKET', 'the path is a symbolic link: name the socket itself')
  if (!socket.isSocket()) throw failure('UNSAFE_SOCKET', 'the path is not a socket')
  const own = process.getuid?.()
  if ((directory.mode & OTHERS_MAY_WRITE) !== 0 && socket.uid !== 0 && socket.uid !== own) {
    throw failure(
      'UNSAFE_SOCKET',
      `the socket belongs to user ${socket.uid} and everybody may write to its directory: let only the agent write there`,
    )
  }
}

/** `ENOENT` */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}
