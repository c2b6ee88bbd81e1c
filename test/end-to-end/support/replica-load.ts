import type { EvilRegistry } from '../../support/evil-registry.ts'
import { imageOf, indexOf, type Blob, type Signer } from '../../support/signer.ts'
import type { Replica } from './replica-set.ts'

/** The replica did not answer at all: killed, or not there yet. What a load balancer would try elsewhere. */
class NoAnswer extends Error {
  override readonly name = 'NoAnswer'
}

/** Lost what it had in memory, in the middle of a pull: the client begins again. */
class Restarted extends Error {
  override readonly name = 'Restarted'
}

export type Tally = {
  pulls: number
  /** Requests that were answered, and as they had to be. */
  right: number
  /** Requests that were made again elsewhere, because a replica was gone. */
  retried: number
  readonly wrong: string[]
}

/** spread: any replica for each request. whole: one replica for each pull. */
export type Way = 'spread' | 'whole'

export type Load = {
  readonly registry: EvilRegistry
  readonly replicas: readonly Replica[]
  readonly trusted: Signer
  readonly stranger: Signer
  readonly host: string
}

let made = 0

/**
 * Pulls until `until` says stop: images with a signature, indexes with their children, HEAD and then the digest, and those
 * that must never pass. Every image is new, so that every verdict is a cold one for the replica that is asked first.
 */
export async function pullUntil(load: Load, way: Way, until: () => boolean, tally: Tally): Promise<void> {
  for (let turn = 0; !until(); turn += 1) {
    made += 1
    const name = `app${made}`
    const pull = [signedTag, signedIndex, headThenDigest, refused, unsignedIndex][turn % 5] ?? signedTag
    await pullOne(load, way, name, pull, tally)
  }
}

type Ask = (path: string, expected: Expected) => Promise<void>
type Expected = { readonly status: number; readonly manifest?: Blob; readonly method?: 'HEAD' }
type Pull = (load: Load, name: string) => (ask: Ask) => Promise<void>

async function pullOne(load: Load, way: Way, name: string, pull: Pull, tally: Tally): Promise<void> {
  const requests = pull(load, name)
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const own = pick(load.replicas)
    const incarnation = own.incarnation()
    const ask: Ask = async (path, expected) => {
      for (let at = 0; ; at += 1) {
        const replica = way === 'whole' ? own : pick(load.replicas)
        try {
          const wrong = await request(`${replica.url}/v2/${load.host}/${path}`, expected)
          if (wrong !== undefined && way === 'whole' && own.incarnation() !== incarnation) throw new Restarted()
          if (wrong === undefined) tally.right += 1
          else tally.wrong.push(`${pull.name} ${path}: ${wrong}`)
          return
        } catch (error) {
          if (!(error instanceof NoAnswer) || way === 'whole' || at > 200) throw error
          tally.retried += 1
          await pause()
        }
      }
    }
    try {
      await requests(ask)
      tally.pulls += 1
      return
    } catch (error) {
      if (!(error instanceof NoAnswer || error instanceof Restarted)) throw error
      tally.retried += 1
      await pause()
    }
  }
  tally.wrong.push(`${pull.name} ${name}: no replica answered`)
}

function signedTag({ registry, trusted, host }: Load, name: string): (ask: Ask) => Promise<void> {
  const manifest = registry.putSigned(name, '1', trusted, host)
  return async ask => {
    await ask(`${name}/manifests/1`, { status: 200, manifest })
    await ask(`${name}/manifests/1`, { status: 200, manifest })
  }
}

function signedIndex({ registry, trusted, host }: Load, name: string): (ask: Ask) => Promise<void> {
  const children = [imageOf(`${name} a`), imageOf(`${name} b`)]
  const index = indexOf(children.map(({ manifest }) => manifest))
  for (const child of children) registry.put(name, child)
  registry.put(name, { manifest: index, blobs: [] }, '1')
  registry.sign(name, index, trusted, `${host}/${name}`)
  return async ask => {
    await ask(`${name}/manifests/1`, { status: 200, manifest: index })
    for (const { manifest } of children) await ask(`${name}/manifests/${manifest.digest}`, { status: 200, manifest })
  }
}

/** Under exact/ the identity has to match to the letter, tag and all: by digest alone it is refused. */
function headThenDigest({ registry, trusted, host }: Load, name: string): (ask: Ask) => Promise<void> {
  const repository = `exact/${name}`
  const manifest = registry.put(repository, imageOf(name), 'latest')
  registry.sign(repository, manifest, trusted, `${host}/${repository}:latest`)
  return async ask => {
    await ask(`${repository}/manifests/latest`, { status: 200, method: 'HEAD' })
    await ask(`${repository}/manifests/${manifest.digest}`, { status: 200, manifest })
  }
}

function refused({ registry, trusted, stranger, host }: Load, name: string): (ask: Ask) => Promise<void> {
  const unsigned = registry.put(name, imageOf(`${name} unsigned`), 'unsigned')
  const strange = registry.put(name, imageOf(`${name} strange`), 'strange')
  registry.sign(name, strange, stranger, `${host}/${name}`)
  const exact = registry.put(`exact/${name}`, imageOf(`${name} exact`), 'latest')
  registry.sign(`exact/${name}`, exact, trusted, `${host}/exact/${name}:latest`)
  return async ask => {
    for (const path of ['unsigned', unsigned.digest, 'strange', strange.digest]) {
      await ask(`${name}/manifests/${path}`, { status: 403 })
    }
    // No HEAD has announced it.
    await ask(`exact/${name}/manifests/${exact.digest}`, { status: 403 })
  }
}

function unsignedIndex({ registry }: Load, name: string): (ask: Ask) => Promise<void> {
  const child = imageOf(`${name} child`)
  registry.put(name, child)
  const index = indexOf([child.manifest])
  registry.put(name, { manifest: index, blobs: [] }, '1')
  return async ask => {
    await ask(`${name}/manifests/1`, { status: 403 })
    await ask(`${name}/manifests/${child.manifest.digest}`, { status: 403 })
  }
}

/** @returns what is wrong with the answer; undefined where it is as it must be. @throws NoAnswer */
async function request(url: string, expected: Expected): Promise<string | undefined> {
  let status: number
  let body: Buffer
  try {
    const response = await fetch(url, { method: expected.method ?? 'GET', signal: AbortSignal.timeout(20_000) })
    status = response.status
    body = Buffer.from(await response.arrayBuffer())
  } catch (cause) {
    throw new NoAnswer('no answer', { cause })
  }
  if (status !== expected.status) return `${status} and not ${expected.status}: ${body.toString().slice(0, 200)}`
  const { manifest } = expected
  return manifest === undefined || manifest.bytes.equals(body) ? undefined : 'other bytes'
}

function pick(replicas: readonly Replica[]): Replica {
  const replica = replicas[Math.floor(Math.random() * replicas.length)]
  if (replica === undefined) throw new Error('no replicas')
  return replica
}

async function pause(): Promise<void> {
  await new Promise(resolve => setTimeout(resolve, 50))
}
