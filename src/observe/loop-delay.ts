import { monitorEventLoopDelay } from 'node:perf_hooks'

/** How late the event loop came, in seconds, since it was last read. */
export type LoopDelay = { readonly p99: number; readonly max: number }

/** Between two looks. What is measured is how much later than that each one comes. */
const RESOLUTION_MS = 20
const NS = 1e9

/**
 * Watches whether anything holds up the one thread that serves everybody: a large JSON, a slow key (attack 213).
 *
 * @returns `read`, which begins anew, and `stop`
 */
export function watchLoopDelay(): { readonly read: () => LoopDelay; readonly stop: () => void } {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  histogram.enable()
  const late = (ns: number): number => Math.max(0, ns / NS - RESOLUTION_MS / 1000)
  return {
    read() {
      const delay = { p99: late(histogram.percentile(99)), max: late(histogram.max) }
      histogram.reset()
      return delay
    },
    stop: () => void histogram.disable(),
  }
}
