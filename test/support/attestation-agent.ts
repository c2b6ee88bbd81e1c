import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import {
  loadPackageDefinition,
  Metadata,
  Server,
  ServerCredentials,
  status,
  type ServiceClientConstructor,
  type sendUnaryData,
  type ServerUnaryCall,
} from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { openFront, type ConnectionFault } from './faulty-front.ts'
import { loadResources, type Loaded, type Resources } from './resources-file.ts'

/** `2023-02` is the agent between the two, that was never released; `cdh` is the confidential-data-hub. */
export type AgentGeneration = '2022' | '2023-02' | '2023' | 'cdh'

export type AgentFault =
  | { readonly kind: 'none' }
  /** Answers rightly, but late. */
  | { readonly kind: 'slow'; readonly ms: number }
  /** Takes the call and never answers it. */
  | { readonly kind: 'hang' }
  /** Answers OK with these bytes, whatever is asked. */
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'status'; readonly code: number; readonly details: string }
  /** Below gRPC: see `ConnectionFault`. */
  | { readonly kind: 'connection'; readonly fault: ConnectionFault }

export type AgentRequest = Readonly<Record<string, string>>

export type TestAgent = {
  /** host:port, or unix:/path */
  readonly address: string
  /** Every request that came in, in the fields of this agent's own generation. */
  readonly requests: readonly AgentRequest[]
  readonly setFault: (fault: AgentFault) => void
  /** Nobody listens any more; `start` brings it back at the same address, as a new process. */
  readonly stop: () => Promise<void>
  readonly start: () => Promise<void>
  readonly close: () => Promise<void>
}

export type TestAgentOptions = {
  readonly generation: AgentGeneration
  readonly resources: Resources
  /** A path: listen there, on a unix socket, instead of a port. */
  readonly socket?: string
  /** KBCs compiled in. */
  readonly kbcs?: readonly string[]
  /** For `cdh`, which has them in its own configuration. */
  readonly aaKbcParams?: string
}

/**
 * A test attestation-agent (or confidential-data-hub) with offline_fs_kbc: real gRPC over real sockets, the real
 * programs' texts word for word and their order of checks (keybroker.md section 1). Where the texts of `2023-02` and the
 * order of `2022` between description and file are not on record, they follow from what was done before and after.
 */
export async function startAttestationAgent(options: TestAgentOptions): Promise<TestAgent> {
  const requests: AgentRequest[] = []
  let fault: AgentFault = { kind: 'none' }
  // Agents load at the first use of the KBC and never again; the hub loads for every call.
  let loaded: Loaded | undefined
  const load = (): Loaded => {
    if (options.generation === 'cdh') return loadResources(options.resources)
    loaded ??= loadResources(options.resources)
    return loaded
  }

  const server = new Server({ 'grpc.max_send_message_length': -1 })
  server.addService(serviceOf(options.generation), {
    GetResource: (call: ServerUnaryCall<AgentRequest, object>, callback: sendUnaryData<object>) => {
      requests.push(call.request)
      void reply(call.request, callback)
    },
  })

  const answer = async (request: AgentRequest): Promise<Uint8Array> => {
    switch (fault.kind) {
      case 'hang':
        return new Promise(() => undefined)
      case 'bytes':
        return fault.bytes
      case 'status':
        throw new GrpcRefusal(fault.code, fault.details)
      case 'slow':
        await sleep(fault.ms)
        break
      case 'none':
      case 'connection':
    }
    const kbcs = options.kbcs ?? ['offline_fs_kbc']
    if (options.generation === 'cdh') return answerOfHub(request, load, options.aaKbcParams ?? 'offline_fs_kbc::', kbcs)
    return answerOfAgent(options.generation, request, load, kbcs)
  }

  const reply = async (request: AgentRequest, callback: sendUnaryData<object>): Promise<void> => {
    try {
      callback(null, { Resource: await answer(request) })
    } catch (error) {
      const code = error instanceof GrpcRefusal ? error.code : status.UNKNOWN
      callback({ code, details: error instanceof Error ? error.message : String(error), metadata: new Metadata() })
    }
  }

  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    )
  })
  const front = await openFront({ backend: `127.0.0.1:${port}`, path: options.socket })
  return {
    address: front.address,
    requests,
    setFault(next) {
      fault = next
      front.setFault(next.kind === 'connection' ? next.fault : 'none')
    },
    stop: front.stop,
    async start() {
      loaded = undefined
      await front.start()
    },
    async close() {
      await front.stop()
      server.forceShutdown()
    },
  }
}

class GrpcRefusal extends Error {
  readonly code: number
  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

const PREFIX = '[ERROR:attestation-agent] AA-KBC get resource failed: '

function refuse(text: string): never {
  throw new GrpcRefusal(status.INTERNAL, `${PREFIX}${text}`)
}

function answerOfAgent(
  generation: '2022' | '2023-02' | '2023',
  request: AgentRequest,
  load: () => Loaded,
  kbcs: readonly string[],
): Uint8Array {
  switch (generation) {
    case '2022': {
      checkKbc(request['KbcName'], kbcs)
      const name = nameFrom(request['ResourceDescription'] ?? '')
      return lookUp(name, load)
    }
    case '2023-02': {
      const uri = request['ResourceUri'] ?? ''
      if (!URL.canParse(uri)) refuse('relative URL without a base')
      checkKbc(request['KbcName'], kbcs)
      return lookUp(new URL(uri).pathname.slice(1), load)
    }
    case '2023': {
      const path = request['ResourcePath'] ?? ''
      if (!path.startsWith('/')) refuse(`Resource path ${path} must start with '/'`)
      if (path.split('/').length !== 4) {
        refuse(`Resource path ${path} must follow the format '/<repository>/<type>/<tag>'`)
      }
      const kbs = request['KbsUri'] ?? ''
      if (URL.canParse(kbs) && new URL(kbs).host === '') refuse(`Invalid URL: ${kbs}`)
      checkKbc(request['KbcName'], kbcs)
      return lookUp(path.slice(1), load)
    }
  }
}

function checkKbc(kbc: string | undefined, kbcs: readonly string[]): void {
  if (!kbcs.includes(kbc ?? '')) refuse(`AA does not support the given KBC module! Module: ${kbc ?? ''}`)
}

function nameFrom(description: string): string {
  let json: unknown
  try {
    json = JSON.parse(description)
  } catch {
    return refuse('expected value at line 1 column 1')
  }
  if (typeof json !== 'object' || json === null) return refuse('expected value at line 1 column 1')
  if (!('name' in json)) return refuse(`missing field \`name\` at line 1 column ${description.length}`)
  if (!('optional' in json)) return refuse(`missing field \`optional\` at line 1 column ${description.length}`)
  return String(json.name)
}

function lookUp(key: string, load: () => Loaded): Uint8Array {
  const loaded = load()
  if (!loaded.ok) return refuse(`Failed to load resources: ${loaded.problem}`)
  return loaded.resources.get(key) ?? refuse(`Received unknown resource name: ${key}`)
}

function answerOfHub(request: AgentRequest, load: () => Loaded, params: string, kbcs: readonly string[]): Uint8Array {
  const [kbc = '', , more] = params.split('::')
  const loaded = load()
  const absent = !loaded.ok && loaded.problem.startsWith('No such file')
  if (!params.includes('::') || more !== undefined || !kbcs.includes(kbc) || (!loaded.ok && !absent)) {
    throw new GrpcRefusal(status.INTERNAL, '[CDH] [ERROR]: kbs client initialization failed')
  }
  const uri = request['ResourcePath'] ?? ''
  const path = uri.startsWith('kbs://') && URL.canParse(uri) ? new URL(uri).pathname.slice(1) : undefined
  const bytes = loaded.ok && path !== undefined ? loaded.resources.get(path) : undefined
  if (bytes === undefined) throw new GrpcRefusal(status.INTERNAL, '[CDH] [ERROR]: Get Resource failed')
  return bytes
}

/** The released protocols are Sealgate's own files; the one in between is kept for tests only. */
const PROTOS = {
  '2022': '../../src/keybroker/proto/getresource-2022.proto',
  '2023-02': './proto/getresource-2023-02.proto',
  '2023': '../../src/keybroker/proto/getresource-2023.proto',
  cdh: '../../src/keybroker/proto/cdh-api.proto',
} as const

function serviceOf(generation: AgentGeneration): ServiceClientConstructor['service'] {
  const path = fileURLToPath(new URL(PROTOS[generation], import.meta.url))
  const loaded = loadPackageDefinition(loadSync(path, { keepCase: true, defaults: true }))
  const named = loaded[generation === 'cdh' ? 'api' : 'getresource'] as unknown as {
    readonly GetResourceService: ServiceClientConstructor
  }
  return named.GetResourceService.service
}
