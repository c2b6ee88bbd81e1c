import { AsyncLocalStorage } from 'node:async_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, type Context, type Span } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
  type SpanExporter,
} from '@opentelemetry/sdk-trace'
import { parseTraceparent } from './traceparent.ts'
import type { Asked, Tracing } from './tracing.ts'

export type OtelOptions = {
  /** OTLP over HTTP, JSON. */
  readonly endpoint: URL
  /** Of pulls that no client's trace decides about: 0 to 1. */
  readonly sampleRatio: number
  readonly serviceName: string
  /** Whether the traces of clients are continued, and their word on sampling taken. */
  readonly acceptTraceparent: boolean
  /** Told of spans that could not be sent. */
  readonly onLost: (spans: number) => void
}

const EXPORT_MS = 5000
const CLOSE_MS = 3000
const QUEUE = {
  maxQueueSize: 4096,
  maxExportBatchSize: 512,
  scheduledDelayMillis: 1000,
  exportTimeoutMillis: EXPORT_MS,
}
const LIMITS = { attributeValueLengthLimit: 256, attributeCountLimit: 32 }
const GOOD: ReadonlySet<string> = new Set(['found', 'absent', 'given'])
const MS = 1000

/** Spans in a provider of their own: nothing global is set, so that two gates in a process do not meet. */
export function createOtelTracing(options: OtelOptions): Tracing {
  const exporter = countingLost(
    new OTLPTraceExporter({ url: options.endpoint.href, timeoutMillis: EXPORT_MS }),
    options.onLost,
  )
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': options.serviceName }),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(options.sampleRatio) }),
    spanProcessors: [new BatchSpanProcessor({ exporter, ...QUEUE })],
    spanLimits: LIMITS,
  })
  const tracer = provider.getTracer('sealgate')
  const current = new AsyncLocalStorage<Span | undefined>()

  async function within<T>(span: Span, work: () => Promise<T>): Promise<T> {
    try {
      return await current.run(span, work)
    } catch (error) {
      // Its kind alone: messages may repeat what an upstream said.
      span.setAttribute('error.type', error instanceof Error ? error.name : 'unknown')
      span.setStatus({ code: SpanStatusCode.ERROR })
      throw error
    } finally {
      span.end()
    }
  }

  return {
    pull({ method, repository, by, untrustedTraceparent, statusCode }, work) {
      const parent = options.acceptTraceparent ? remoteContext(untrustedTraceparent) : ROOT_CONTEXT
      const attributes = { 'http.request.method': method, 'sealgate.repository': repository, 'sealgate.by': by }
      const span = tracer.startSpan('pull', { kind: SpanKind.SERVER, attributes }, parent)
      return within(span, async () => {
        const answer = await work()
        const status = statusCode()
        span.setAttribute('http.response.status_code', status)
        if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
        return answer
      })
    },
    around(station, work) {
      const parent = current.getStore()
      if (parent?.isRecording() !== true) return work()
      return within(tracer.startSpan(station, {}, trace.setSpan(ROOT_CONTEXT, parent)), work)
    },
    asked(asked) {
      const parent = current.getStore()
      if (parent?.isRecording() !== true) return
      const end = Date.now()
      const span = tracer.startSpan(
        `${asked.whom}.${asked.operation}`,
        { kind: SpanKind.CLIENT, startTime: end - asked.seconds * MS, attributes: attributesOf(asked) },
        trace.setSpan(ROOT_CONTEXT, parent),
      )
      if (!GOOD.has(asked.outcome)) span.setStatus({ code: SpanStatusCode.ERROR })
      span.end(end)
    },
    decided({ id, verdict, scope, code, cache, digest }) {
      current.getStore()?.setAttributes({
        'sealgate.decision': id,
        'sealgate.verdict': verdict,
        'sealgate.scope': scope,
        'sealgate.reason': code,
        'sealgate.cache': cache,
        'sealgate.digest': digest,
      })
    },
    aside: work => current.run(undefined, work),
    async close() {
      // What a collector that is down costs at the end is bounded, and a failure to send has been counted.
      await Promise.race([provider.shutdown().catch(() => {}), sleep(CLOSE_MS, undefined, { ref: false })])
    },
  }
}

function attributesOf({ whom, name, outcome }: Asked): Readonly<Record<string, string>> {
  return { [whom === 'upstream' ? 'server.address' : 'sealgate.broker']: name, 'sealgate.outcome': outcome }
}

function remoteContext(untrustedTraceparent: string | undefined): Context {
  const parent = parseTraceparent(untrustedTraceparent)
  return parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, { ...parent, isRemote: true })
}

function countingLost(exporter: SpanExporter, onLost: (spans: number) => void): SpanExporter {
  return {
    export(spans, done) {
      exporter.export(spans, result => {
        if (result.error !== undefined) onLost(spans.length)
        done(result)
      })
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: async () => exporter.forceFlush?.(),
  }
}
