import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { SharedEvent } from '../shared/shared-event.ts'

const BUCKETS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5]

/** Metrics of the memory that replicas share. */
export function createSharedMetrics(registers: Registry[]): (event: SharedEvent) => void {
  const up = new Gauge({
    name: 'sealgate_shared_up',
    help: '1: the shared memory is in use; 0: without it.',
    registers,
  })
  const looks = new Counter({
    name: 'sealgate_shared_looks_total',
    help: 'Looks for what other replicas know, by what came of them.',
    labelNames: ['outcome'],
    registers,
  })
  const tellings = new Counter({
    name: 'sealgate_shared_tellings_total',
    help: 'Tellings of what this replica found out, by what came of them.',
    labelNames: ['outcome'],
    registers,
  })
  const refused = new Counter({
    name: 'sealgate_shared_entries_refused_total',
    help: 'Entries that were there and did not count, by reason. "mac" is somebody who writes there without the key.',
    labelNames: ['reason'],
    registers,
  })
  const faults = new Counter({
    name: 'sealgate_shared_faults_total',
    help: 'Looks and tellings that failed by a fault of this program; the log has them.',
    registers,
  })
  const seconds = new Histogram({
    name: 'sealgate_shared_seconds',
    help: 'How long looks and tellings took.',
    labelNames: ['operation'],
    buckets: BUCKETS,
    registers,
  })
  return event => {
    switch (event.type) {
      case 'up':
        return up.set(1)
      case 'down':
        return up.set(0)
      case 'fault':
        return faults.inc()
      case 'look':
        looks.inc({ outcome: event.outcome })
        return seconds.observe({ operation: 'look' }, event.ms / 1000)
      case 'tell':
        tellings.inc({ outcome: event.outcome })
        return seconds.observe({ operation: 'tell' }, event.ms / 1000)
      case 'refused':
        return refused.inc({ reason: event.reason })
    }
  }
}
