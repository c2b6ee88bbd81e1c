import type { Subject } from '../attached-signature.ts'
import { verifyWithKey, type TrustedKey } from '../public-key.ts'
import { rejected, type SignatureCheck } from '../signature.ts'
import { parseEnvelope, preAuthenticationEncoding } from './envelope.ts'
import { checkStatement, IN_TOTO_PAYLOAD } from './statement.ts'

/**
 * Checks a sigstore bundle with the keys of a policy, as `cosign verify --key` does: the signature over the DSSE envelope,
 * and then what the statement in it says. Log entries and timestamps in the bundle are not asked for by a key, and prove
 * nothing here; the key's hint in the bundle is not believed either (case 51).
 */
export function checkBundleWithKeys(args: {
  readonly untrustedBytes: Uint8Array
  readonly subject: Subject
  readonly keys: readonly TrustedKey[]
}): SignatureCheck {
  const parsed = parseEnvelope(args.untrustedBytes)
  if (!parsed.ok) return rejected('MALFORMED', `the bundle is malformed: ${parsed.problem}`)
  const { envelope } = parsed
  const signed = preAuthenticationEncoding(envelope)
  const signer = args.keys.find(key => verifyWithKey(key, signed, envelope.signature))
  if (signer === undefined) {
    return rejected('UNTRUSTED_SIGNER', `not made with ${args.keys.map(key => key.name).join(' or ')}`)
  }
  if (envelope.payloadType !== IN_TOTO_PAYLOAD) {
    return rejected('MALFORMED', `signed by ${signer.name}, but not an in-toto statement`)
  }
  const statement = checkStatement(envelope.payload, args.subject)
  if (!statement.ok) {
    const code = statement.about === 'digest' ? 'WRONG_DIGEST' : 'MALFORMED'
    return rejected(code, `signed by ${signer.name}, but ${statement.problem}`)
  }
  return {
    verified: true,
    signature: {
      digest: args.subject.digest,
      claim: { kind: 'none' },
      signer: signer.name,
      fingerprint: signer.fingerprint,
      loggedAt: undefined,
    },
  }
}
