import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { repositoryName, type Repository } from '../../reference/repository.ts'
import type { UploadSession } from '../../upstream/push-client.ts'

const IV_BYTES = 12
const TAG_BYTES = 16
const CIPHER = 'aes-256-gcm'

/**
 * Seals where an upload goes on at the upstream, so that a client can carry it about but neither read nor make one: what is
 * dialled is never a client's choice (design.md section 7.6), and a session of one repository is none of another. The key is
 * this process's own, or its workers'; an upload does not outlive it.
 */
export class UploadTokens {
  readonly #key: Uint8Array

  /** @param key 32 bytes; without, this process's own */
  constructor(key: Uint8Array = randomBytes(32)) {
    this.#key = key
  }

  seal(session: UploadSession, repository: Repository): string {
    const iv = randomBytes(IV_BYTES)
    const cipher = createCipheriv(CIPHER, this.#key, iv, { authTagLength: TAG_BYTES })
    cipher.setAAD(Buffer.from(repositoryName(repository)))
    const sealed = Buffer.concat([cipher.update(session, 'utf8'), cipher.final()])
    return Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString('base64url')
  }

  /** @returns undefined for what this process did not seal for that repository */
  open(token: string, repository: Repository): UploadSession | undefined {
    const bytes = Buffer.from(token, 'base64url')
    if (bytes.byteLength < IV_BYTES + TAG_BYTES) return undefined
    const decipher = createDecipheriv(CIPHER, this.#key, bytes.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES })
    decipher.setAAD(Buffer.from(repositoryName(repository)))
    decipher.setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES))
    try {
      const opened = decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES))
      return Buffer.concat([opened, decipher.final()]).toString('utf8')
    } catch {
      // Not sealed here, or for another repository: there is no such upload, and nothing else to know.
      return undefined
    }
  }
}
