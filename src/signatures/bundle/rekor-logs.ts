import { createHash } from 'node:crypto'
import type { TrustMaterial } from '@sigstore/verify'
import type { TrustedKey } from '../public-key.ts'
import { checkpointSigners, type UntrustedLogEntry } from './decode-log-entry.ts'

const ALWAYS = { start: new Date(0), end: new Date(8.64e15) }
const ED25519 = 1
const KEY_LENGTH = 32

/**
 * The Rekor keys of a policy as logs that @sigstore/verify can check entries against. A policy gives a key and no name: the
 * name that a checkpoint is signed under is taken from the checkpoint itself, for the key alone decides.
 */
export function logsOfRekorKeys(
  keys: readonly TrustedKey[],
  entries: readonly UntrustedLogEntry[],
): TrustMaterial['tlogs'] {
  const names = entries.flatMap(({ inclusionProof }) =>
    inclusionProof === undefined ? [] : checkpointSigners(inclusionProof.checkpoint),
  )
  return keys.flatMap(key => {
    const ids = [Buffer.from(key.fingerprint, 'hex'), ...names.flatMap(name => noteKeyId(key, name))]
    return ids.map(logID => ({ logID, baseURL: names.join('\n'), publicKey: key.key, validFor: ALWAYS }))
  })
}

/**
 * An Ed25519 log (Rekor v2) is known by the id that signed notes give its key, which has its name in it.
 * https://github.com/C2SP/C2SP/blob/main/signed-note.md
 */
function noteKeyId(key: TrustedKey, name: string): readonly Buffer[] {
  if (key.algorithm !== 'ed25519') return []
  const raw = key.der.subarray(key.der.byteLength - KEY_LENGTH)
  return [
    createHash('sha256')
      .update(`${name}\n`)
      .update(Buffer.from([ED25519]))
      .update(raw)
      .digest(),
  ]
}
