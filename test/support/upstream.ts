import type { Descriptor } from '../../src/manifest/descriptor.ts'
import { isTag, parseRegistryHost, repositoryOf, type Repository, type Tag } from '../../src/reference/repository.ts'
import { openRegistryUpstream, type RegistryUpstreamOptions } from '../../src/upstream/registry-upstream.ts'
import type { Upstream } from '../../src/upstream/upstream.ts'
import type { EvilRegistry } from './evil-registry.ts'
import type { Blob } from './signer.ts'

type Teardown = { readonly teardown: (handler: () => unknown) => void }

/** The client under test in front of a registry, with short time-outs and 4096 bytes a manifest. */
export function upstreamOf(
  t: Teardown,
  registry: EvilRegistry,
  options: Partial<RegistryUpstreamOptions> = {},
): Upstream {
  const upstream = openRegistryUpstream({
    url: new URL(registry.url),
    prefix: undefined,
    credentials: async () => undefined,
    trust: { kind: 'system' },
    redirectHosts: [],
    tokenHosts: [],
    timeouts: { connectMs: 1000, headersMs: 500, bodyMs: 500 },
    maxManifestBytes: 4096,
    ...options,
  })
  t.teardown(() => upstream.close())
  return upstream
}

export function repositoryAt(path = 'team/app', host = 'example.org'): Repository {
  const parsed = parseRegistryHost(host)
  const repository = parsed && repositoryOf(parsed, path)
  if (repository === undefined) throw new Error(`${host}/${path} is no repository`)
  return repository
}

export function tagOf(text: string): Tag {
  if (!isTag(text)) throw new Error(`${text} is no tag`)
  return text
}

export function within(ms = 5000): AbortSignal {
  return AbortSignal.timeout(ms)
}

/** What a manifest would say of a blob. */
export function descriptorOf(blob: Blob): Descriptor {
  return { ...blob, annotations: new Map(), untrustedArtifactType: undefined }
}
