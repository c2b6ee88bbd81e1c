import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { must } from './processes.ts'
import type { Programs } from './programs.ts'

/** Whoever builds, pushes and signs images: crane and cosign 2, as they would be used. References are repository:tag. */
export interface Publisher {
  /** A P-256 key pair as cosign makes it; gives the public key's file. The private key stays in the temporary directory. */
  readonly createKeyPair: (key: string) => Promise<string>
  /** Pushes an image with one small layer; another text is another image. Gives its digest. */
  readonly pushImage: (reference: string, text: string, architecture?: string) => Promise<string>
  /** Pushes an index of an amd64 and an arm64 image. Gives the index's digest. */
  readonly pushIndex: (repository: string, text: string) => Promise<string>
  /** Signs the digest that the reference has now. `identity` is what the claim says, if not the registry's own name. */
  readonly sign: (reference: string, key: string, identity?: string) => Promise<void>
  /** Copies a manifest and what it lists. */
  readonly copy: (from: string, to: string) => Promise<void>
}

export function createPublisher(programs: Programs, registryHost: string, directory: string): Publisher {
  const env = { COSIGN_PASSWORD: '', DOCKER_CONFIG: join(directory, 'no-login') }
  const crane = async (...args: readonly string[]): Promise<string> =>
    must({ program: programs.crane, args: [...args, '--insecure'], env })
  const cosign = async (...args: readonly string[]): Promise<string> => must({ program: programs.cosign2, args, env })
  const at = (reference: string): string => `${registryHost}/${reference}`

  const publisher = {
    createKeyPair: async (key: string) => {
      await mkdir(directory, { recursive: true })
      await cosign('generate-key-pair', '--output-key-prefix', join(directory, key))
      return join(directory, `${key}.pub`)
    },
    pushImage: async (reference: string, text: string, architecture = 'amd64') => {
      const layer = await writeLayer(programs, directory, text)
      await crane('append', '--oci-empty-base', '--new_layer', layer, '--new_tag', at(reference))
      await crane('mutate', '--set-platform', `linux/${architecture}`, '--tag', at(reference), at(reference))
      return crane('digest', at(reference))
    },
    pushIndex: async (repository: string, text: string) => {
      const children = ['amd64', 'arm64']
      for (const child of children) await publisher.pushImage(`${repository}:${child}`, `${text}, ${child}`, child)
      const manifests = children.flatMap(child => ['--manifest', at(`${repository}:${child}`)])
      await crane('index', 'append', ...manifests, '--tag', at(`${repository}:latest`))
      return crane('digest', at(`${repository}:latest`))
    },
    sign: async (reference: string, key: string, identity?: string) => {
      const digest = await crane('digest', at(reference))
      const flags = ['--tlog-upload=false', '--allow-insecure-registry', '--yes']
      if (identity !== undefined) flags.push('--sign-container-identity', identity)
      const repository = reference.slice(0, reference.lastIndexOf(':'))
      await cosign('sign', '--key', join(directory, `${key}.key`), ...flags, `${at(repository)}@${digest}`)
    },
    copy: async (from: string, to: string) => {
      await crane('copy', at(from), at(to))
    },
  }
  return publisher
}

/** The tag that cosign 2 keeps the signatures of a digest under. */
export function signatureTag(digest: string): string {
  return `${digest.replace(':', '-')}.sig`
}

/** A layer with one file, /message: nothing of the clock or the machine in it, so that a text has one digest. */
export async function writeLayer(programs: Programs, directory: string, text: string): Promise<string> {
  const tree = join(directory, 'tree')
  await rm(tree, { recursive: true, force: true })
  await mkdir(tree, { recursive: true })
  await writeFile(join(tree, 'message'), `${text}\n`, { mode: 0o644 })
  const layer = join(directory, 'layer.tar')
  const owner = ['--mtime=@0', '--owner=0', '--group=0', '--numeric-owner']
  await must({
    program: programs.tar,
    args: ['--create', '--format=ustar', ...owner, '--file', layer, '--directory', tree, 'message'],
  })
  return layer
}
