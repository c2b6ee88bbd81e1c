import { randomBytes } from 'node:crypto'
import { alternating, answer } from '../../support/faults.ts'
import type { EvilRegistry } from '../../support/evil-registry.ts'
import { blobOf, imageOf, indexOf, OCI_MANIFEST, type Blob, type Signer } from '../../support/signer.ts'

export const HOST = 'example.org'

/**
 * What an image is due. `by-one` and `by-two`: accepted while the policy has that key for the repository, refused while it
 * has the other. `child`: of an accepted index, accepted after it. `swings`: its tag points by turns at a signed manifest, which is `bytes`, and at an unsigned one.
 */
export type Due = 'accepted' | 'refused' | 'by-one' | 'by-two' | 'swings' | 'child'

/** A manifest or a blob as clients ask the gate for it. */
export type Target = {
  readonly what: 'manifest' | 'blob'
  /** What it is pulled by; an index's children are pulled by digest. */
  readonly by: 'tag' | 'digest'
  readonly path: string
  readonly blob: Blob
  readonly due: Due
}

export type Signers = { readonly one: Signer; readonly two: Signer; readonly stranger: Signer }

const IMAGES_OF_EACH_KIND = 6
const LARGE = [2, 4, 6].map(mebibytes => mebibytes * 1024 * 1024)

/** Fills the registry, and gives what can be pulled from it. Large blobs are random: no two parts of them are alike. */
export function putImages(registry: EvilRegistry, signers: Signers): readonly Target[] {
  const targets: Target[] = []
  const offer = (repository: string, manifest: Blob, due: Due, tag?: string): void => {
    const base = { what: 'manifest', blob: manifest, due } as const
    const path = `/v2/${HOST}/${repository}/manifests/`
    targets.push({ ...base, by: 'digest', path: `${path}${manifest.digest}` })
    if (tag !== undefined) targets.push({ ...base, by: 'tag', path: `${path}${tag}` })
  }
  const image = (repository: string, tag: string, due: Due, signer?: Signer): Blob => {
    const manifest = registry.put(repository, imageOf(`${repository}:${tag}`), tag)
    if (signer !== undefined) registry.sign(repository, manifest, signer, `${HOST}/${repository}`)
    offer(repository, manifest, due, tag)
    return manifest
  }
  for (let number = 0; number < IMAGES_OF_EACH_KIND; number += 1) {
    image(`signed/${number}`, '1', 'accepted', signers.one)
    image(`unsigned/${number}`, '1', 'refused')
    image(`stranger/${number}`, '1', 'refused', signers.stranger)
    image(`flip/one-${number}`, '1', 'by-one', signers.one)
    image(`flip/two-${number}`, '1', 'by-two', signers.two)
  }
  index('signed-index', 'accepted', signers.one)
  index('unsigned-index', 'refused')
  swing()
  for (const size of LARGE) blob('signed/0', blobOf(randomBytes(size)))
  for (const small of imageOf('signed/0:1').blobs) blob('signed/0', small)
  return targets

  function index(repository: string, due: Due, signer?: Signer): void {
    const children = ['amd64', 'arm64'].map(platform => registry.put(repository, imageOf(`${repository} ${platform}`)))
    const list = registry.put(repository, { manifest: indexOf(children), blobs: [] }, 'latest')
    if (signer !== undefined) registry.sign(repository, list, signer, `${HOST}/${repository}`)
    offer(repository, list, due, 'latest')
    // A child is admitted by its index once that was pulled; clients.ts does it in that order.
    for (const child of children) offer(repository, child, due === 'accepted' ? 'child' : due)
  }

  function swing(): void {
    const [good, bad] = [imageOf('swing good').manifest, imageOf('swing bad').manifest]
    const signed = registry.put('swing', { manifest: good, blobs: [] })
    registry.put('swing', { manifest: bad, blobs: [] })
    registry.sign('swing', signed, signers.one, `${HOST}/swing`)
    const [serveGood, serveBad] = [good, bad].map(({ bytes }) => answer(200, { 'content-type': OCI_MANIFEST }, bytes))
    if (serveGood === undefined || serveBad === undefined) throw new Error('two manifests, two answers')
    registry.on(/\/swing\/manifests\/latest$/, alternating(serveGood, serveBad))
    const path = `/v2/${HOST}/swing/manifests/latest`
    targets.push({ what: 'manifest', by: 'tag', path, blob: good, due: 'swings' })
  }

  function blob(repository: string, held: Blob): void {
    registry.blobs.set(`${repository} ${held.digest}`, held)
    const path = `/v2/${HOST}/${repository}/blobs/${held.digest}`
    targets.push({ what: 'blob', by: 'digest', path, blob: held, due: 'accepted' })
  }
}

/** The children of the signed index: what a client pulls after the index itself. */
export function childrenOf(target: Target): readonly string[] {
  const { manifests = [] }: { readonly manifests?: readonly { readonly digest: string }[] } = JSON.parse(
    target.blob.bytes.toString(),
  )
  return manifests.map(({ digest }) => digest)
}
