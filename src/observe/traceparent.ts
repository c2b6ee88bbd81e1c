/** Where a trace comes from, as a client says. */
export type RemoteParent = { readonly traceId: string; readonly spanId: string; readonly traceFlags: number }

const TRACEPARENT = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/

/** W3C Trace Context, section 3.2: version 00 only; what is malformed is as if it were not there. */
export function parseTraceparent(untrusted: string | undefined): RemoteParent | undefined {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(untrusted ?? '') ?? []
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined
  // Of the flags only "sampled" is known.
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1 }
}
