import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

type Teardown = { readonly teardown: (handler: () => unknown) => void }

export type ReceivedSpan = {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly name: string
  readonly kind: number
  readonly attributes: Readonly<Record<string, unknown>>
  readonly error: boolean
  readonly seconds: number
}

type Received = {
  readonly spans: ReceivedSpan[]
  readonly service: unknown[]
  readonly url: string
  readonly text: () => string
}

type WireAttribute = { readonly key: string; readonly value: Readonly<Record<string, unknown>> }

/** A collector of traces: OTLP over HTTP, in JSON, on loopback. */
export async function startOtlpReceiver(t: Teardown): Promise<Received> {
  const spans: ReceivedSpan[] = []
  const service: unknown[] = []
  let text = ''
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString()
      text += body
      for (const { resource, scopeSpans } of JSON.parse(body).resourceSpans) {
        service.push(valuesOf(resource.attributes)['service.name'])
        for (const span of scopeSpans.flatMap((scope: { spans: unknown[] }) => scope.spans)) {
          spans.push({
            traceId: span.traceId,
            spanId: span.spanId,
            parentSpanId: span.parentSpanId,
            name: span.name,
            kind: span.kind,
            attributes: valuesOf(span.attributes),
            error: span.status?.code === 2,
            seconds: Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e9,
          })
        }
      }
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { spans, service, url: `http://127.0.0.1:${port}/v1/traces`, text: () => text }
}

function valuesOf(attributes: readonly WireAttribute[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]))
}

/** The spans of one trace as an indented tree: `pull`, then what is in it by name, each once. */
export function treeOf(spans: readonly ReceivedSpan[], root: ReceivedSpan): readonly string[] {
  const children = spans.filter(({ parentSpanId }) => parentSpanId === root.spanId)
  const lines = children.flatMap(child => treeOf(spans, child).map(line => `  ${line}`))
  const byBlock = new Set<string>()
  const blocks: string[][] = []
  for (const line of lines) {
    if (/^ {2}\S/.test(line)) blocks.push([line])
    else blocks.at(-1)?.push(line)
  }
  for (const block of blocks) byBlock.add(block.join('\n'))
  return [root.name, ...[...byBlock].sort().flatMap(block => block.split('\n'))]
}
