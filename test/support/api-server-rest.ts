import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { openFront, type ConnectionFault } from './faulty-front.ts'
import { loadResources, type Resources } from './resources-file.ts'

export type RestFault =
  | { readonly kind: 'none' }
  | { readonly kind: 'slow'; readonly ms: number }
  | { readonly kind: 'hang' }
  /** 200 and these bytes, whatever is asked. */
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  /** 200, headers, some bytes, and no end. */
  | { readonly kind: 'stall' }
  /** 200, and a byte now and then, for ever: no pause is long enough to be a time-out. */
  | { readonly kind: 'drip'; readonly ms: number }
  | { readonly kind: 'status'; readonly code: number; readonly text: string; readonly headers?: Record<string, string> }
  /** api-server-rest is there, the confidential-data-hub behind it is not. */
  | { readonly kind: 'hub-down' }
  /** Started with --features attestation. */
  | { readonly kind: 'feature-off' }
  /** The caller is not local. */
  | { readonly kind: 'forbidden' }
  | { readonly kind: 'connection'; readonly fault: ConnectionFault }

export type TestRest = {
  /** http://host:port */
  readonly address: string
  /** Method and target of every request. */
  readonly requests: readonly string[]
  readonly setFault: (fault: RestFault) => void
  readonly stop: () => Promise<void>
  readonly start: () => Promise<void>
  readonly close: () => Promise<void>
}

const HUB_DOWN = 'ttrpc connect to CDH addr: unix:///run/confidential-containers/cdh.sock failed'

/** A test api-server-rest before a test hub: the real answers word for word (keybroker.md section 3). */
export async function startApiServerRest(options: { readonly resources: Resources }): Promise<TestRest> {
  const requests: string[] = []
  let fault: RestFault = { kind: 'none' }

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    requests.push(`${request.method ?? ''} ${request.url ?? ''}`)
    const send = (code: number, body: string | Uint8Array, headers: Record<string, string> = {}): void => {
      response.writeHead(code, headers).end(body)
    }
    switch (fault.kind) {
      case 'hang':
        return
      case 'stall':
        response.writeHead(200, { 'content-type': 'application/octet-stream' }).write('the begin')
        return
      case 'drip': {
        const drops = setInterval(() => response.write('x'), fault.ms)
        response.on('close', () => clearInterval(drops))
        return
      }
      case 'bytes':
        return send(200, fault.bytes, { 'content-type': 'application/octet-stream' })
      case 'status':
        return send(fault.code, fault.text, fault.headers)
      case 'hub-down':
        return send(500, HUB_DOWN)
      case 'feature-off':
        return send(404, 'Resource Feature Not Enabled')
      case 'forbidden':
        return send(403, 'Forbidden')
      case 'slow':
        await sleep(fault.ms)
        break
      case 'none':
      case 'connection':
    }
    const path = new URL(request.url ?? '/', 'http://localhost').pathname
    const key = /^\/cdh\/resource\/(.*)$/.exec(path)?.[1]
    if (key === undefined) return send(404, 'URL NOT FOUND')
    const loaded = loadResources(options.resources)
    const bytes = loaded.ok ? loaded.resources.get(key) : undefined
    if (bytes === undefined) return send(500, 'ttrpc request error')
    send(200, bytes, { 'content-type': 'application/octet-stream' })
  }

  const server = createServer((request, response) => {
    void handle(request, response).catch((error: unknown) => response.destroy(error as Error))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const front = await openFront({ backend: `127.0.0.1:${port}`, path: undefined })
  return {
    address: `http://${front.address}`,
    requests,
    setFault(next) {
      fault = next
      front.setFault(next.kind === 'connection' ? next.fault : 'none')
    },
    stop: front.stop,
    start: front.start,
    async close() {
      await front.stop()
      server.closeAllConnections()
      server.close()
    },
  }
}
