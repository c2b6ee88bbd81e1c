import { readMessage, SignaturePacket, enums, verify, type Message, type PublicKey } from 'openpgp'
import { checkSignedPayload, type Subject } from './attached-signature.ts'
import { GPG_CONFIG, type GpgKeyring } from './gpg-keyring.ts'
import { openGpgMessage } from './gpg-message.ts'
import { onlyUntil, rejected, type SignatureCheck } from './signature.ts'
import { PAYLOAD_TYPES } from './simple-signing.ts'

/**
 * Checks a simple signing signature (containers-signature(5)) with the keys of a `signedBy` requirement. The order is
 * containers/image's: no byte of the payload is read before a trusted key stands for it.
 *
 * The signer is the primary key, by its full fingerprint; a signing subkey counts as its primary key (cases 79, 80).
 * The key must have been good when it signed and must be good now: neither expired nor revoked (case 78; GPGME asks for
 * the latter, openpgp.js by itself only for the former).
 *
 * @param now wall clock, for expiry
 */
export async function checkGpgSignature(args: {
  readonly untrustedBytes: Uint8Array
  readonly keyring: GpgKeyring
  readonly subject: Subject
  readonly now: Date
}): Promise<SignatureCheck> {
  const opened = openGpgMessage(args.untrustedBytes)
  if (!opened.ok) return rejected('MALFORMED', opened.problem)
  const read = await readPackets(opened.untrustedPackets)
  if (!read.ok) return rejected('MALFORMED', `is not a readable OpenPGP message: ${read.problem}`)
  const { message, signature } = read

  const issuer = signature.issuerKeyID
  const candidates = args.keyring.keys.filter(key => key.getKeys(issuer).length > 0)
  if (candidates.length === 0) {
    const keyId = issuer.toHex().toUpperCase()
    return rejected('UNTRUSTED_SIGNER', `made with the key ${keyId}, which is not in ${args.keyring.name}`)
  }
  const problems: string[] = []
  // Key ids are short enough to collide: each key is tried by itself, and the one that verifies is the signer.
  for (const key of candidates) {
    const result = await verifyWith(key, message, signature, args.now)
    const fingerprint = key.getFingerprint()
    if (!result.ok) {
      problems.push(`not accepted for the key ${fingerprint.toUpperCase()}: ${result.problem}`)
      continue
    }
    const check = checkSignedPayload({
      signedPayload: result.signedBytes,
      type: PAYLOAD_TYPES.gpg,
      subject: args.subject,
      signer: fingerprint.toUpperCase(),
      fingerprint,
      loggedAt: undefined,
    })
    return onlyUntil(check, result.goodUntil)
  }
  return rejected('UNTRUSTED_SIGNER', problems.join('; '))
}

type ReadPackets =
  | { readonly ok: true; readonly message: Message<Uint8Array>; readonly signature: SignaturePacket }
  | { readonly ok: false; readonly problem: string }

async function readPackets(untrustedPackets: Uint8Array): Promise<ReadPackets> {
  try {
    const message = await readMessage({ binaryMessage: untrustedPackets, config: GPG_CONFIG })
    const signature = message.packets.findPacket(enums.packet.signature)
    if (!(signature instanceof SignaturePacket))
      return { ok: false, problem: 'its signature is of an unsupported kind' }
    return { ok: true, message, signature }
  } catch (error) {
    return { ok: false, problem: wordsOf(error) }
  }
}

type Verified =
  | { readonly ok: true; readonly signedBytes: Uint8Array; readonly goodUntil: Date | undefined }
  | { readonly ok: false; readonly problem: string }

async function verifyWith(
  key: PublicKey,
  message: Message<Uint8Array>,
  signature: SignaturePacket,
  now: Date,
): Promise<Verified> {
  try {
    const config = GPG_CONFIG
    const result = await verify({ message, verificationKeys: [key], format: 'binary', date: now, config })
    // It resolves without any signature where it could not use the packet: that must not count (case 73).
    const [verification, ...others] = result.signatures
    if (verification === undefined || others.length > 0) return { ok: false, problem: 'not exactly one signature' }
    await verification.verified
    const signingKey = await key.getSigningKey(signature.issuerKeyID, now, undefined, config)
    const stated = signature.issuerFingerprint
    if (stated !== null && Buffer.from(stated).toString('hex') !== signingKey.getFingerprint()) {
      return { ok: false, problem: 'it names another key than the one that made it' }
    }
    const ends = [await key.getExpirationTime(), await signingKey.getExpirationTime(), signature.getExpirationTime()]
    return { ok: true, signedBytes: result.data, goodUntil: firstOf(ends, now) }
  } catch (error) {
    return { ok: false, problem: wordsOf(error) }
  }
}

/** openpgp.js says Infinity for never and null for what is not valid even now. */
function firstOf(ends: readonly (Date | number | null)[], now: Date): Date | undefined {
  const first = Math.min(...ends.map(end => (end === null ? now.getTime() : Number(end))))
  return Number.isFinite(first) ? new Date(first) : undefined
}

/** An error of openpgp.js in one short line: parts of it may be a stranger's text (names of notations). */
function wordsOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.replace(/[^ -~]+/g, ' ').slice(0, 160)
}
