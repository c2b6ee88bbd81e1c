import { digestMatches, type Digest } from '../reference/digest.ts'
import { decodeBase64 } from '../json/base64.ts'
import { verifyWithKey, type TrustedKey } from './public-key.ts'
import { rejected, type SignatureCheck, type UntrustedSignature } from './signature.ts'
import { parseSimpleSigning, PAYLOAD_TYPES, type PayloadType } from './simple-signing.ts'

/** The image that a signature must be about: the bytes that would be served, and their digest. */
export type Subject = { readonly bytes: Uint8Array; readonly digest: Digest }

export type AttachedSignature = Extract<UntrustedSignature, { format: 'simple-signing' }>

const SIGNATURE_ANNOTATION = 'dev.cosignproject.cosign/signature'

/**
 * Checks a signature from a `.sig` tag with the keys of a policy. The order is containers/image's: signature first, so
 * that no byte of the payload is read before a trusted key stands for it.
 */
export function checkAttachedWithKeys(args: {
  readonly signature: AttachedSignature
  readonly subject: Subject
  readonly keys: readonly TrustedKey[]
}): SignatureCheck {
  const decoded = decodeSignatureAnnotation(args.signature)
  if (!decoded.ok) return rejected('MALFORMED', decoded.problem)
  const signer = args.keys.find(key => verifyWithKey(key, args.signature.untrustedPayload, decoded.signature))
  if (signer === undefined) {
    return rejected('UNTRUSTED_SIGNER', `not made with ${args.keys.map(key => key.name).join(' or ')}`)
  }
  return checkSignedPayload({
    signedPayload: args.signature.untrustedPayload,
    subject: args.subject,
    signer: signer.name,
    fingerprint: signer.fingerprint,
    loggedAt: undefined,
  })
}

export function decodeSignatureAnnotation(
  signature: AttachedSignature,
): { readonly ok: true; readonly signature: Uint8Array } | { readonly ok: false; readonly problem: string } {
  const text = signature.untrustedAnnotations.get(SIGNATURE_ANNOTATION)
  if (text === undefined) return { ok: false, problem: `the annotation ${SIGNATURE_ANNOTATION} is missing` }
  // Go's decoder, and so every reference, passes over line ends; some signers wrap their lines (case 42).
  const bytes = decodeBase64(text.replace(/[\r\n]/g, ''))
  if (bytes === undefined || bytes.byteLength === 0) {
    return { ok: false, problem: `the annotation ${SIGNATURE_ANNOTATION} is not base64` }
  }
  return { ok: true, signature: bytes }
}

/**
 * The last step for every signature over a simple signing payload: what a trusted signer stated must be about the
 * subject's bytes.
 *
 * @param type which kind of statement is expected; cosign's if it is left out
 */
export function checkSignedPayload(args: {
  readonly signedPayload: Uint8Array
  readonly type?: PayloadType
  readonly subject: Subject
  readonly signer: string
  readonly fingerprint: string
  readonly loggedAt: Date | undefined
}): SignatureCheck {
  const parsed = parseSimpleSigning(args.signedPayload, args.type ?? PAYLOAD_TYPES.cosign)
  if (!parsed.ok) return rejected('MALFORMED', `the signed payload is malformed: ${parsed.problem}`)
  const { digest, dockerReference } = parsed.payload
  if (digest !== args.subject.digest && !digestMatches(digest, args.subject.bytes)) {
    return rejected('WRONG_DIGEST', `signed by ${args.signer}, but about ${digest}`)
  }
  return {
    verified: true,
    signature: {
      digest,
      claim: { kind: 'reference', reference: dockerReference },
      signer: args.signer,
      fingerprint: args.fingerprint,
      loggedAt: args.loggedAt,
    },
  }
}
