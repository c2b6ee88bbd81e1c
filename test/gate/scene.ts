import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startEvilRegistry, type EvilRegistry } from '../support/evil-registry.ts'
import { startGate, temporaryDirectory, writePolicy, type RunningGate } from '../support/gate.ts'
import { ecdsaSigner, type Signer } from '../support/signer.ts'

type Teardown = Parameters<typeof startGate>[0]

type Settings = Readonly<Record<string, unknown>>

export type Scene = RunningGate & {
  readonly registry: EvilRegistry
  readonly signer: Signer
  readonly directory: string
  readonly policyFile: string
  readonly pull: (name: string, init?: RequestInit) => Promise<Answer>
}

export type Answer = {
  readonly status: number
  readonly statusText: string
  readonly headers: Headers
  readonly body: Buffer
  /** Of an OCI error. */
  readonly code: string | undefined
  readonly message: string | undefined
}

export const HOST = 'example.org'

/** A gate in front of a registry in memory, with a policy that asks for one key. */
export async function scene(
  t: Teardown,
  options: {
    readonly config?: Settings | ((upstreamUrl: string) => Settings)
    readonly policy?: (keyPath: string) => unknown
  } = {},
): Promise<Scene> {
  const registry = await startEvilRegistry(t)
  const directory = temporaryDirectory(t)
  const signer = ecdsaSigner()
  const keyPath = join(directory, 'cosign.pub')
  writeFileSync(keyPath, signer.publicPem)
  const policyFile = writePolicy(directory, options.policy?.(keyPath) ?? signedPolicy(keyPath))
  const running = await startGate(t, {
    policy: policyFile,
    defaultRegistry: HOST,
    registries: { [HOST]: { url: registry.url } },
    cache: { tags: 0, refused: 0 },
    ...(typeof options.config === 'function' ? options.config(registry.url) : options.config),
  })
  const pull = (name: string, init?: RequestInit): Promise<Answer> => get(`${running.url}/v2/${name}`, init)
  return { ...running, registry, signer, directory, policyFile, pull }
}

/** default: reject; everything of example.org needs a signature by one key. */
export function signedPolicy(keyPath: string, scope: string = HOST): object {
  return {
    default: [{ type: 'reject' }],
    transports: { docker: { [scope]: [{ type: 'sigstoreSigned', keyPath }] } },
  }
}

export async function get(url: string, init?: RequestInit): Promise<Answer> {
  const response = await fetch(url, { redirect: 'manual', ...init })
  const body = Buffer.from(await response.arrayBuffer())
  const isError =
    response.headers.get('content-type')?.startsWith('application/json') === true && response.status >= 400
  const error = isError && body.length > 0 ? JSON.parse(body.toString()).errors?.[0] : undefined
  const { status, statusText, headers } = response
  return { status, statusText, headers, body, code: error?.code, message: error?.message }
}
