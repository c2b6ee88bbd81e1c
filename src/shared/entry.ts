import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'

/** The layout of an entry and of what is in it. A change of either is another version, and another key by derivation. */
export const ENTRY_VERSION = 1
/** Of a whole entry. Longer ones are neither told nor read. */
export const MAX_ENTRY_BYTES: number = 16 * 1024
export const MIN_SECRET_BYTES = 32

const MAC_BYTES = 32
const EXPIRY_BYTES = 8
const HEAD_BYTES = 1 + MAC_BYTES + EXPIRY_BYTES

/** Both derived from the one secret that the replicas share; neither is of use where the other is needed. */
export type EntryKeys = { readonly mac: Uint8Array; readonly name: Uint8Array }

/** @throws RangeError if the secret is too short to be one */
export function deriveKeys(secret: Uint8Array): EntryKeys {
  if (secret.byteLength < MIN_SECRET_BYTES) throw new RangeError(`a secret of less than ${MIN_SECRET_BYTES} bytes`)
  const derive = (use: string): Uint8Array =>
    new Uint8Array(hkdfSync('sha256', secret, '', `sealgate shared entry v${ENTRY_VERSION} ${use}`, 32))
  return { mac: derive('mac'), name: derive('name') }
}

export type Sealed = { readonly key: Uint8Array; readonly payload: Uint8Array; readonly expiresAt: Date }

/**
 * An entry as it is kept: version, MAC, expiry, payload. The MAC is over version, key, expiry and payload, so that an entry
 * cannot be copied to another key, read as another version, or made to live longer (cases 173, 174).
 */
export function sealEntry({ key, payload, expiresAt }: Sealed, macKey: Uint8Array): Buffer {
  const expiry = Buffer.alloc(EXPIRY_BYTES)
  expiry.writeBigUInt64BE(BigInt(expiresAt.getTime()))
  const version = Buffer.from([ENTRY_VERSION])
  return Buffer.concat([version, macOf({ version, key, expiry, payload }, macKey), expiry, payload])
}

/** Why an entry does not count; a bounded set, for counting. */
export type EntryProblem = 'too-large' | 'too-short' | 'version' | 'mac' | 'expired'

export type OpenedEntry =
  | { readonly ok: true; readonly payload: Uint8Array; readonly expiresAt: Date }
  | { readonly ok: false; readonly problem: EntryProblem }

/** Checks what came back for `key`. Nothing in it is looked at before the MAC has been checked, in constant time. */
export function openEntry(
  untrustedBytes: Uint8Array,
  { key, macKey, now }: { readonly key: Uint8Array; readonly macKey: Uint8Array; readonly now: Date },
): OpenedEntry {
  if (untrustedBytes.byteLength > MAX_ENTRY_BYTES) return { ok: false, problem: 'too-large' }
  if (untrustedBytes.byteLength < HEAD_BYTES) return { ok: false, problem: 'too-short' }
  const bytes = Buffer.from(untrustedBytes)
  const version = bytes.subarray(0, 1)
  if (version[0] !== ENTRY_VERSION) return { ok: false, problem: 'version' }
  const mac = bytes.subarray(1, 1 + MAC_BYTES)
  const expiry = bytes.subarray(1 + MAC_BYTES, HEAD_BYTES)
  const payload = bytes.subarray(HEAD_BYTES)
  if (!timingSafeEqual(mac, macOf({ version, key, expiry, payload }, macKey))) return { ok: false, problem: 'mac' }
  const expiresAt = new Date(Number(expiry.readBigUInt64BE()))
  // Said this way round, an invalid date is one that has passed.
  if (!(expiresAt.getTime() > now.getTime())) return { ok: false, problem: 'expired' }
  return { ok: true, payload, expiresAt }
}

function macOf(
  parts: {
    readonly version: Uint8Array
    readonly key: Uint8Array
    readonly expiry: Uint8Array
    readonly payload: Uint8Array
  },
  macKey: Uint8Array,
): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(parts.key.byteLength)
  const hmac = createHmac('sha256', macKey)
  for (const part of [parts.version, length, parts.key, parts.expiry, parts.payload]) hmac.update(part)
  return hmac.digest()
}
