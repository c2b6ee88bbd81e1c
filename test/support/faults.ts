import { gzipSync } from 'node:zlib'
import type { Script } from './evil-registry.ts'

type FaultHeaders = Readonly<Record<string, string | number | string[]>>

/** Ways in which a registry can be broken or lie: scripts for EvilRegistry. */

export function answer(status: number, headers: FaultHeaders = {}, body: string | Uint8Array = ''): Script {
  return (_, response) => {
    response.writeHead(status, headers).end(body)
    return true
  }
}

/** Takes the request and never answers. */
export const silence: Script = () => true

/** Cuts the connection instead of an answer. */
export const hangUp: Script = request => {
  request.socket.destroy()
  return true
}

export const notHttp: Script = request => {
  request.socket.end('220 mail.example ESMTP\r\n\r\n')
  return true
}

/** Half of the body that its length promises, and then `end`: silence, or the end of the connection. */
export function truncated(bytes: Uint8Array, end: 'silence' | 'hang-up', headers: FaultHeaders = {}): Script {
  return (_, response) => {
    response.writeHead(200, { ...headers, 'content-length': bytes.length })
    response.write(bytes.subarray(0, bytes.length / 2))
    if (end === 'hang-up') setTimeout(() => response.socket?.destroy(), 20)
    return true
  }
}

/** A byte at a time: never idle for long, never done. */
export function drip(everyMs: number, headers: FaultHeaders = {}): Script {
  return (_, response) => {
    response.writeHead(200, headers)
    const timer = setInterval(() => response.write(' '), everyMs)
    response.on('close', () => clearInterval(timer))
    return true
  }
}

/** A body without end and without a length, as fast as it is read. */
export function endless(headers: FaultHeaders = {}): Script {
  return (_, response) => {
    response.writeHead(200, headers)
    const piece = Buffer.alloc(64 * 1024, 0x20)
    const more = (): void => {
      while (!response.destroyed && response.write(piece));
    }
    response.on('drain', more)
    more()
    return true
  }
}

export function gzipped(bytes: Uint8Array, headers: FaultHeaders = {}): Script {
  return answer(200, { ...headers, 'content-encoding': 'gzip' }, gzipSync(bytes))
}

export function redirect(location: string, status = 307): Script {
  return answer(status, { location })
}

/** The first answer for the first request, and so on, over and over. */
export function alternating(...scripts: readonly Script[]): Script {
  let asked = 0
  return (request, response) => {
    const script = scripts[asked % scripts.length]
    asked += 1
    return script?.(request, response) ?? false
  }
}

/** Waits, and then answers by the script. */
export function delayed(ms: number, script: Script): Script {
  return (request, response) => {
    setTimeout(() => script(request, response), ms)
    return true
  }
}
