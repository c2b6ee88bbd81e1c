import type { Server, Socket } from 'node:net'

/**
 * Hands the answers that become ready in one turn of the event loop to the system at its end, one right after the other.
 * Answered one by one, a client on the same machine wakes, reads its one answer and sleeps again for each of them, and
 * waking another core is the dearest part of a cached answer, on a virtual machine above all (docs/performance.md).
 *
 * It only concerns what is written in several pieces at once, as a head with its body is. A stream of chunks goes as ever.
 *
 * @param event what the server calls a connection that answers are written to: `secureConnection` over TLS
 * @param mayWait whether turns are short just now; else each answer goes out at once
 */
export function answerTogether(server: Server, event: 'connection' | 'secureConnection', mayWait: () => boolean): void {
  /** A socket has one write under way at most: its stream waits for that. */
  const held = new WeakMap<Socket, () => void>()

  function writeNow(socket: Socket): void {
    const write = held.get(socket)
    held.delete(socket)
    write?.()
  }

  // What comes after a request may be no HTTP, and the connection ended for it: the request's answer goes before.
  server.prependListener('clientError', (_error: unknown, socket: Socket) => writeNow(socket))
  server.on(event, (socket: Socket) => {
    const writev = socket._writev?.bind(socket)
    if (writev === undefined) return
    // A Writable's implementer's to override; the stream keeps its order, and waits for `taken` before it writes more.
    socket._writev = (chunks, taken) => {
      if (!mayWait()) return writev(chunks, taken)
      held.set(socket, () => writev(chunks, taken))
      setImmediate(writeNow, socket)
    }
  })
}
