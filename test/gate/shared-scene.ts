import { randomBytes } from 'node:crypto'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startEvilRegistry, type EvilRegistry } from '../support/evil-registry.ts'
import { startFakeRedis, type FakeRedis } from '../support/fake-redis.ts'
import { startGate, temporaryDirectory, writePolicy } from '../support/gate.ts'
import { ecdsaSigner, imageOf, indexOf, type Signer } from '../support/signer.ts'
import { get, HOST, signedPolicy, type Answer } from './scene.ts'

type Teardown = Parameters<typeof startGate>[0]

export type Replica = {
  readonly url: string
  readonly pull: (name: string, init?: RequestInit) => Promise<Answer>
  readonly admin: (path: string) => Promise<Answer>
  /** Waits until readyz says so of the shared memory. */
  readonly shared: (status: 'up' | 'down') => Promise<void>
}

export type Replicas = {
  readonly redis: FakeRedis
  readonly registry: EvilRegistry
  readonly signer: Signer
  /** One more gate, with the same policy and settings but for what is given. */
  readonly replica: (change?: Readonly<Record<string, unknown>>) => Promise<Replica>
  /** For `shared`: another secret, another prefix. */
  readonly sharedConfig: Readonly<Record<string, unknown>>
  readonly secretFile: (bytes: number) => string
}

/** What the replicas are asked for: a signed index `multi:latest` whose child has no signature of its own, and `unsigned:1`. */
export const child: ReturnType<typeof imageOf> = imageOf('child')
export const index: ReturnType<typeof indexOf> = indexOf([child.manifest])
export const unsigned: ReturnType<typeof imageOf> = imageOf('unsigned')
export const CHILD: string = `multi/manifests/${child.manifest.digest}`
export const UNSIGNED: string = `unsigned/manifests/${unsigned.manifest.digest}`

/** Replicas of a gate that share a fake Redis, in front of one registry. `timeoutMs` is long: this is not where time is measured. */
export async function replicas(t: Teardown, policy: (keyPath: string) => unknown = signedPolicy): Promise<Replicas> {
  const redis = await startFakeRedis(t)
  const registry = await startEvilRegistry(t)
  const directory = temporaryDirectory(t)
  const signer = ecdsaSigner()
  const keyPath = join(directory, 'cosign.pub')
  writeFileSync(keyPath, signer.publicPem)
  const policyFile = writePolicy(directory, policy(keyPath))
  const secretFile = (bytes: number): string => {
    const file = join(directory, `secret-${randomBytes(4).toString('hex')}`)
    writeFileSync(file, randomBytes(bytes).toString('latin1').replace(/\s/g, 'x'), 'latin1')
    chmodSync(file, 0o600)
    return file
  }
  const sharedConfig = { url: redis.url, hmacKeyFile: secretFile(32), timeoutMs: 2000 }
  registry.put('multi', child)
  registry.put('multi', { manifest: index, blobs: [] }, 'latest')
  registry.sign('multi', index, signer, `${HOST}/multi`)
  registry.put('unsigned', unsigned, '1')
  const replica = async (change: Readonly<Record<string, unknown>> = {}): Promise<Replica> => {
    const { url, adminUrl } = await startGate(t, {
      policy: policyFile,
      defaultRegistry: HOST,
      registries: { [HOST]: { url: registry.url } },
      cache: { tags: 0, refused: 2 },
      shared: sharedConfig,
      ...change,
    })
    const admin = (path: string): Promise<Answer> => get(`${adminUrl}/${path}`)
    return {
      url,
      pull: (name, init) => get(`${url}/v2/${name}`, init),
      admin,
      shared: async status => {
        for (let attempt = 0; attempt < 400; attempt += 1) {
          if (JSON.parse((await admin('readyz')).body.toString()).shared.status === status) return
          await sleep(10)
        }
        throw new Error(`the shared memory is not ${status}`)
      },
    }
  }
  return { redis, registry, signer, replica, sharedConfig, secretFile }
}
