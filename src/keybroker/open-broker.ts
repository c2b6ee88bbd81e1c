import { resolve } from 'node:path'
import { parseAaKbcParams } from './aa-kbc-params.ts'
import { KeyBrokerError, type KeyBroker } from './broker.ts'
import { openCdhHttp, parseHttpAddress } from './cdh-http.ts'
import { parseGrpcAddress } from './grpc-address.ts'
import { openOfflineFs } from './offline-fs.ts'
import type { Parsed } from './resource.ts'

export type KeyBrokerKind = 'attestation-agent-2022' | 'attestation-agent-2023' | 'cdh-grpc' | 'cdh' | 'offline-fs'

export type KeyBrokerOptions = {
  readonly kind: KeyBrokerKind
  /** host:port or unix:/path (gRPC), http://host:port (cdh), a file's path (offline-fs). */
  readonly address?: string | undefined
  /** For the attestation-agent only; others are configured themselves. */
  readonly aaKbcParams?: string | undefined
  /** Milliseconds for one call. */
  readonly timeoutMs?: number | undefined
}

/** Where each broker listens if nobody says otherwise (design.md section 5, keybroker.md sections 1 to 3). */
export const DEFAULT_ADDRESSES: Readonly<Record<KeyBrokerKind, string>> = {
  'attestation-agent-2022': '127.0.0.1:50001',
  'attestation-agent-2023': '127.0.0.1:50001',
  'cdh-grpc': '127.0.0.1:50000',
  cdh: 'http://127.0.0.1:8006',
  'offline-fs': '/etc/aa-offline_fs_kbc-resources.json',
}

const DEFAULT_PARAMS = 'offline_fs_kbc::null'
const DEFAULT_TIMEOUT_MS = 10_000

/**
 * Opens a key broker. Nothing is dialled or read before the first `get`.
 *
 * @throws KeyBrokerError BAD_CONFIGURATION
 */
export function openKeyBroker(options: KeyBrokerOptions): KeyBroker {
  const { kind, timeoutMs = DEFAULT_TIMEOUT_MS } = options
  const address = options.address ?? DEFAULT_ADDRESSES[kind]
  const usable = <T>(parsed: Parsed<T>): T => {
    if (parsed.ok) return parsed.value
    throw new KeyBrokerError('BAD_CONFIGURATION', `keyBroker ${kind}: ${parsed.problem}`)
  }
  switch (kind) {
    case 'attestation-agent-2022':
    case 'attestation-agent-2023': {
      const year = kind === 'attestation-agent-2022' ? '2022' : '2023'
      const place = usable(parseGrpcAddress(address))
      const params = usable(parseAaKbcParams(options.aaKbcParams ?? DEFAULT_PARAMS))
      return openedWhenAsked(`${kind} at ${address}`, async () => {
        const { openAttestationAgent } = await import('./attestation-agent.ts')
        return openAttestationAgent({ year, address, place, params, timeoutMs })
      })
    }
    case 'cdh-grpc': {
      const place = usable(parseGrpcAddress(address))
      return openedWhenAsked(`${kind} at ${address}`, async () => {
        const { openCdhGrpc } = await import('./cdh-grpc.ts')
        return openCdhGrpc({ address, place, timeoutMs })
      })
    }
    case 'cdh':
      return openCdhHttp({ origin: usable(parseHttpAddress(address)), timeoutMs })
    case 'offline-fs':
      return openOfflineFs({ path: resolve(address) })
  }
}

/** gRPC takes tens of MiB, and most gates have no broker that speaks it: it is read with the first question. */
function openedWhenAsked(name: string, open: () => Promise<KeyBroker>): KeyBroker {
  let opened: Promise<KeyBroker> | undefined
  return {
    async get(resource, signal) {
      opened ??= open()
      return (await opened).get(resource, signal)
    },
    describe: () => name,
    close: () => void opened?.then(broker => broker.close()),
  }
}
