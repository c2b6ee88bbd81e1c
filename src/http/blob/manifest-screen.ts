import { TopLevelKeys } from '../../json/top-level-keys.ts'
import { includesManifestKey } from '../../manifest/manifest-keys.ts'
import { MAX_MANIFEST_BYTES } from '../../manifest/manifest.ts'
import { ManifestInBlobError } from './blob-error.ts'

const SPACE: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d])
const OPENING_BRACE = 0x7b

/**
 * Keeps manifests and indexes from leaving as blobs: containerd asks for manifests there when the manifests route refuses
 * (case 123). What begins like a JSON object is read key by key; if it could be a manifest by its size, nothing of it is
 * let go before it has been read to its end. Of anything else one chunk is held back, so that whoever finds at the end
 * that the bytes are the wrong ones can still keep them from being whole (case 125).
 */
export class ManifestScreen {
  #held: Uint8Array<ArrayBuffer>[] = []
  #heldBytes = 0
  #keys: TopLevelKeys | undefined
  #begun = false

  /**
   * @returns the chunks that may leave now, in order
   * @throws ManifestInBlobError
   */
  push(chunk: Uint8Array<ArrayBuffer>): readonly Uint8Array<ArrayBuffer>[] {
    if (!this.#begun) {
      const first = chunk.find(byte => !SPACE.has(byte))
      if (first !== undefined) {
        this.#begun = true
        if (first === OPENING_BRACE) this.#keys = new TopLevelKeys()
      }
    }
    if (this.#keys !== undefined && includesManifestKey(this.#keys.push(chunk))) throw new ManifestInBlobError()
    this.#held.push(chunk)
    this.#heldBytes += chunk.byteLength
    if (this.#keys !== undefined && this.#heldBytes <= MAX_MANIFEST_BYTES) return []
    const ready = this.#held.splice(0, this.#held.length - 1)
    for (const { byteLength } of ready) this.#heldBytes -= byteLength
    return ready
  }

  /** What is still held: once everything has been read and found good, it may leave too. */
  rest(): readonly Uint8Array<ArrayBuffer>[] {
    return this.#held
  }
}
