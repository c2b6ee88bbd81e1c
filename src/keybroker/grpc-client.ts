import { fileURLToPath } from 'node:url'
import { Client, credentials, type status } from '@grpc/grpc-js'
import { loadSync, type AnyDefinition, type MethodDefinition, type ServiceDefinition } from '@grpc/proto-loader'
import { MAX_RESOURCE_BYTES } from './broker.ts'
import { grpcTarget, type GrpcAddress } from './grpc-address.ts'

/** The wire layouts, each a .proto file of ours beside this one. */
export type GetResourceProtocol = 'getresource-2022' | 'getresource-2023' | 'cdh-api'

export type GrpcAnswer =
  | { readonly kind: 'resource'; readonly bytes: Uint8Array }
  /** A status that is not OK, from the server or from grpc-js itself; `untrustedDetails` is the peer's text. */
  | { readonly kind: 'status'; readonly code: status; readonly untrustedDetails: string; readonly cause: Error }
  | { readonly kind: 'aborted' }

/** One channel to one server with one method. */
export type GetResourceClient = {
  readonly call: (fields: Readonly<Record<string, string>>, signal: AbortSignal) => Promise<GrpcAnswer>
  readonly close: () => void
}

/** Tag and length of the answer's only field, around a resource of 1 MiB. */
const FIELD_BYTES = 4
const PING_MS = 3000
const FIRST_BACKOFF_MS = 100
/** A broker that is back is seen soon; the default lets minutes pass. */
const LAST_BACKOFF_MS = 2000

/**
 * Opens a channel; nothing is dialled before the first call.
 *
 * Pings find a connection that died without a word (case 186): it is dropped within 6 seconds of a call, and the next
 * call dials anew. Environment variables do not choose a proxy for keys, and a name's TXT record no settings.
 *
 * @param timeoutMs of every call, dialling included
 */
export function openGetResourceClient(options: {
  readonly address: GrpcAddress
  readonly protocol: GetResourceProtocol
  readonly timeoutMs: number
}): GetResourceClient {
  const method = loadMethod(options.protocol)
  const client = new Client(grpcTarget(options.address), credentials.createInsecure(), {
    // Metadata has Node's own limits: 128 fields, 64 KiB (case 193).
    'grpc.max_receive_message_length': MAX_RESOURCE_BYTES + FIELD_BYTES,
    'grpc.keepalive_time_ms': PING_MS,
    'grpc.keepalive_timeout_ms': PING_MS,
    'grpc.initial_reconnect_backoff_ms': FIRST_BACKOFF_MS,
    'grpc.max_reconnect_backoff_ms': LAST_BACKOFF_MS,
    'grpc.enable_http_proxy': 0,
    'grpc.enable_retries': 0,
    'grpc.service_config_disable_resolution': 1,
    'grpc.use_local_subchannel_pool': 1,
  })
  return {
    call: (fields, signal) =>
      new Promise(resolve => {
        const abort = (): void => call.cancel()
        const call = client.makeUnaryRequest(
          method.path,
          method.requestSerialize,
          method.responseDeserialize,
          fields,
          { deadline: Date.now() + options.timeoutMs },
          (error, answer) => {
            signal.removeEventListener('abort', abort)
            if (signal.aborted) resolve({ kind: 'aborted' })
            else if (error) {
              resolve({ kind: 'status', code: error.code, untrustedDetails: error.details, cause: error })
            } else resolve({ kind: 'resource', bytes: resourceOf(answer) })
          },
        )
        signal.addEventListener('abort', abort)
        if (signal.aborted) abort()
      }),
    close: () => client.close(),
  }
}

function loadMethod(protocol: GetResourceProtocol): MethodDefinition<object, object> {
  const path = fileURLToPath(new URL(`./proto/${protocol}.proto`, import.meta.url))
  for (const definition of Object.values(loadSync(path, { keepCase: true, defaults: true }))) {
    if (isService(definition) && definition['GetResource'] !== undefined) return definition['GetResource']
  }
  throw new Error(`${protocol}.proto has no GetResource`)
}

function isService(definition: AnyDefinition): definition is ServiceDefinition {
  // Messages and enums have a string there.
  return typeof definition['format'] !== 'string'
}

function resourceOf(answer: object | undefined): Uint8Array {
  return answer !== undefined && 'Resource' in answer && answer.Resource instanceof Uint8Array
    ? answer.Resource
    : new Uint8Array()
}
