import { NO_HUB_METHOD } from './agent-generation.ts'
import { abortError, checkResource, failureOf, type KeyBroker } from './broker.ts'
import { asKbs } from './default-resources.ts'
import { checkSocket, type GrpcAddress } from './grpc-address.ts'
import { openGetResourceClient } from './grpc-client.ts'
import { grpcFailure } from './grpc-failure.ts'
import { kbsUri } from './resource.ts'

const LOOK_THERE =
  ' (unknown names and a broken broker look alike; the reason is in the log of the confidential-data-hub)'

/** The confidential-data-hub by gRPC (grpc-cdh). Which KBC and KBS it asks is its own configuration. */
export function openCdhGrpc(options: {
  /** As people write it, for messages. */
  readonly address: string
  readonly place: GrpcAddress
  readonly timeoutMs: number
}): KeyBroker {
  const { place, timeoutMs } = options
  const client = openGetResourceClient({ address: place, protocol: 'cdh-api', timeoutMs })
  const name = `cdh-grpc at ${options.address}`
  return {
    async get(resource, signal) {
      const failure = failureOf(resource, name)
      const kbs = asKbs(resource)
      if (!kbs.ok) throw failure('BAD_NAME', kbs.problem)
      if (place.kind === 'unix') await checkSocket(place.path, failure)
      const answer = await client.call({ ResourcePath: kbsUri(kbs.value) }, signal)
      switch (answer.kind) {
        case 'resource':
          return checkResource(answer.bytes, failure)
        case 'aborted':
          throw abortError(signal, failure)
        case 'status':
          throw grpcFailure(answer, failure, { hint: LOOK_THERE, generation: NO_HUB_METHOD })
      }
    },
    describe: () => name,
    close: client.close,
  }
}
