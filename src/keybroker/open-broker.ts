import { resolve } from 'node:path'
import { parseAaKbcParams } from './aa-kbc-params.ts'
import { openAttestationAgent } from './attestation-agent.ts'
import { KeyBrokerError, type KeyBroker } from './broker.ts'
import { openCdhGrpc } from './cdh-grpc.ts'
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
    case 'attestation-agent-2023':
      return openAttestationAgent({
        year: kind === 'attestation-agent-2022' ? '2022' : '2023',
        address,
        place: usable(parseGrpcAddress(address)),
        params: usable(parseAaKbcParams(options.aaKbcParams ?? DEFAULT_PARAMS)),
        timeoutMs,
      })
    case 'cdh-grpc':
      return openCdhGrpc({ address, place: usable(parseGrpcAddress(address)), timeoutMs })
    case 'cdh':
      return openCdhHttp({ origin: usable(parseHttpAddress(address)), timeoutMs })
    case 'offline-fs':
      return openOfflineFs({ path: resolve(address) })
  }
}
