import type { AaKbcParams } from './aa-kbc-params.ts'
import { NO_AGENT_METHOD, otherGeneration, type AgentQuestion } from './agent-generation.ts'
import { abortError, checkResource, failureOf, type KeyBroker } from './broker.ts'
import { asKbs, asNamed } from './default-resources.ts'
import { checkSocket, type GrpcAddress } from './grpc-address.ts'
import { openGetResourceClient } from './grpc-client.ts'
import { grpcFailure } from './grpc-failure.ts'
import { kbsPath, type Parsed, type ResourceName } from './resource.ts'

const RESTART =
  ' (unknown names and a broken file look alike; the agent reads its file once: restart it after a change)'

/**
 * The attestation-agent by gRPC: of 2022 (to 0.4, resources by name) or of 2023 (0.5 and 0.6, by path). One channel, no
 * TLS: the agent has none, so its address has to be loopback or a unix socket to be worth anything.
 *
 * @param address as people write it, for messages
 */
export function openAttestationAgent(options: {
  readonly year: '2022' | '2023'
  readonly address: string
  readonly place: GrpcAddress
  readonly params: AaKbcParams
  readonly timeoutMs: number
}): KeyBroker {
  const { year, place, params, timeoutMs } = options
  const protocol = year === '2022' ? 'getresource-2022' : 'getresource-2023'
  const client = openGetResourceClient({ address: place, protocol, timeoutMs })
  const name = `attestation-agent-${year} at ${options.address}`
  return {
    async get(resource, signal) {
      const failure = failureOf(resource, name)
      const request = year === '2022' ? requestOf2022(resource, params) : requestOf2023(resource, params)
      if (!request.ok) throw failure('BAD_NAME', request.problem)
      if (place.kind === 'unix') await checkSocket(place.path, failure)
      const answer = await client.call(request.value.fields, signal)
      switch (answer.kind) {
        case 'resource':
          return checkResource(answer.bytes, failure)
        case 'aborted':
          throw abortError(signal, failure)
        case 'status': {
          const other = otherGeneration(answer.untrustedDetails, request.value.question)
          if (other !== undefined) throw failure('WRONG_GENERATION', other, { cause: answer.cause })
          throw grpcFailure(answer, failure, { hint: RESTART, generation: NO_AGENT_METHOD })
        }
      }
    },
    describe: () => name,
    close: client.close,
  }
}

type Request = { readonly fields: Readonly<Record<string, string>>; readonly question: AgentQuestion }

function requestOf2022(resource: ResourceName, { kbcName, kbsUri }: AaKbcParams): Parsed<Request> {
  const named = asNamed(resource)
  if (!named.ok) return named
  // Without "optional" the agent refuses the description.
  const description = JSON.stringify({ name: named.value.name, optional: {} })
  return {
    ok: true,
    value: {
      fields: { KbcName: kbcName, KbsUri: kbsUri, ResourceDescription: description },
      question: { year: '2022', kbcName, kbsUri },
    },
  }
}

function requestOf2023(resource: ResourceName, { kbcName, kbsUri }: AaKbcParams): Parsed<Request> {
  const kbs = asKbs(resource)
  if (!kbs.ok) return kbs
  const path = kbsPath(kbs.value)
  return {
    ok: true,
    value: { fields: { ResourcePath: path, KbcName: kbcName, KbsUri: kbsUri }, question: { year: '2023', path } },
  }
}
