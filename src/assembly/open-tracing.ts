import type { Config } from '../config/config.ts'
import type { Tracing } from '../observe/tracing.ts'

/** Traces as configured; without them nothing of OpenTelemetry is even loaded. */
export async function openTracing(
  config: Config['tracing'],
  onLost: (spans: number) => void,
): Promise<Tracing | undefined> {
  if (config === undefined) return undefined
  const { createOtelTracing } = await import('../observe/otel-tracing.ts')
  return createOtelTracing({ ...config, onLost })
}
