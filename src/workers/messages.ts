import type { Write } from '../shared/redis-connection.ts'

/** What the workers of one gate and the process that started them say to each other, over the pipe between them. */
export type FromWorker =
  /** It is there, and waits for what all workers have in common. */
  | { readonly type: 'hello' }
  | { readonly type: 'listening' }
  /** A policy came into force. */
  | { readonly type: 'loaded'; readonly snapshotId: string }
  | { readonly type: 'read'; readonly id: number; readonly names: readonly string[] }
  | { readonly type: 'write'; readonly id: number; readonly writes: readonly Write[] }
  | { readonly type: 'page'; readonly id: number; readonly page: AdminPage }

export type FromPrimary =
  | ({ readonly type: 'welcome' } & Welcome)
  | { readonly type: 'values'; readonly id: number; readonly values: readonly Uint8Array[] }
  | { readonly type: 'written'; readonly id: number }
  /** Another worker has another policy: what they come from may have changed. */
  | { readonly type: 'refresh' }
  /** A request of the admin port, for the worker's own page. */
  | { readonly type: 'ask'; readonly id: number; readonly path: string }

export type Welcome = {
  /** From 1. */
  readonly number: number
  readonly workers: number
  /** What entries of the memory are authenticated by. */
  readonly secret: Uint8Array
  /** What upload locations are sealed by: an upload may go on at another worker. */
  readonly uploadKey: Uint8Array
}

export type AdminPage = { readonly status: number; readonly contentType: string; readonly body: string }

const FROM_WORKER: readonly FromWorker['type'][] = ['hello', 'listening', 'loaded', 'read', 'write', 'page']
const FROM_PRIMARY: readonly FromPrimary['type'][] = ['welcome', 'values', 'written', 'refresh', 'ask']

/** Other messages on the same pipe are Node's own. Both ends are this program, in one version. */
export function isFromWorker(message: unknown): message is FromWorker {
  return FROM_WORKER.some(type => typeOf(message) === type)
}

export function isFromPrimary(message: unknown): message is FromPrimary {
  return FROM_PRIMARY.some(type => typeOf(message) === type)
}

function typeOf(message: unknown): unknown {
  return typeof message === 'object' && message !== null && 'type' in message ? message.type : undefined
}
