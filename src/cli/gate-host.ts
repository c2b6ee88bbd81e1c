import type { ListenAddress } from '../config/listen-address.ts'

/** HOST:PORT that a node may use for what the gate listens on; undefined where that says nothing about it. */
export function gateHost(listen: ListenAddress): string | undefined {
  if (listen.kind === 'unix' || ['0.0.0.0', '::', ''].includes(listen.host)) return undefined
  return `${listen.host.includes(':') ? `[${listen.host}]` : listen.host}:${listen.port}`
}
