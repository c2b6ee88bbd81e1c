import {
  checkSignedPayload,
  decodeSignatureAnnotation,
  type AttachedSignature,
  type Subject,
} from './attached-signature.ts'
import {
  checkFulcioCertificate,
  checkPkiCertificate,
  type CertifiedSigner,
  type FulcioTrust,
  type PkiTrust,
  type UntrustedCertificates,
} from './certificate-trust.ts'
import { verifyWithKey, type TrustedKey } from './public-key.ts'
import { checkRekorSet, type LoggedSignature } from './rekor-set.ts'
import { onlyUntil, rejected, type SignatureCheck } from './signature.ts'
import { CertificateError, parseCertificates } from './x509/certificate.ts'

const CERTIFICATE = 'dev.sigstore.cosign/certificate'
const CHAIN = 'dev.sigstore.cosign/chain'
const BUNDLE = 'dev.sigstore.cosign/bundle'

type Args = { readonly signature: AttachedSignature; readonly subject: Subject; readonly now: Date }

/** A signature with a key that must also be in a log: one key of the policy that both made it and is named by the entry. */
export function checkAttachedWithLog(
  args: Args & { readonly keys: readonly TrustedKey[]; readonly rekorKeys: readonly TrustedKey[] },
): SignatureCheck {
  const { signature, subject, keys, rekorKeys, now } = args
  const untrustedSet = signature.untrustedAnnotations.get(BUNDLE)
  if (untrustedSet === undefined) return rejected('NOT_LOGGED', `the annotation ${BUNDLE} is missing`)
  const decoded = decodeSignatureAnnotation(signature)
  if (!decoded.ok) return rejected('MALFORMED', decoded.problem)
  const signer = keys.find(key => verifyWithKey(key, signature.untrustedPayload, decoded.signature))
  if (signer === undefined)
    return rejected('UNTRUSTED_SIGNER', `not made with ${keys.map(key => key.name).join(' or ')}`)
  const logged: LoggedSignature = {
    payload: signature.untrustedPayload,
    signature: decoded.signature,
    signer: { label: 'PUBLIC KEY', der: signer.der },
  }
  const entry = checkRekorSet({ untrustedSet: Buffer.from(untrustedSet), logged, rekorKeys, now })
  if (!entry.ok) return rejected('NOT_LOGGED', `signed by ${signer.name}, but ${entry.problem}`)
  return checkSignedPayload({
    signedPayload: signature.untrustedPayload,
    subject,
    signer: signer.name,
    fingerprint: signer.fingerprint,
    loggedAt: entry.loggedAt,
  })
}

/** A signature with a Fulcio certificate: in the log, and by a certificate that was valid when the log saw it. */
export function checkAttachedWithFulcio(
  args: Args & { readonly trust: FulcioTrust; readonly rekorKeys: readonly TrustedKey[] },
): SignatureCheck {
  const { signature, rekorKeys, now } = args
  const untrustedSet = signature.untrustedAnnotations.get(BUNDLE)
  if (untrustedSet === undefined) return rejected('NOT_LOGGED', `the annotation ${BUNDLE} is missing`)
  const brought = broughtCertificates(signature)
  if (brought === undefined) return rejected('UNTRUSTED_SIGNER', `the annotation ${CERTIFICATE} is missing`)
  const decoded = decodeSignatureAnnotation(signature)
  if (!decoded.ok) return rejected('MALFORMED', decoded.problem)
  const leafDer = onlyCertificate(brought.leafPem)
  if (leafDer === undefined) return rejected('MALFORMED', `the annotation ${CERTIFICATE} is not one certificate`)
  const logged: LoggedSignature = {
    payload: signature.untrustedPayload,
    signature: decoded.signature,
    signer: { label: 'CERTIFICATE', der: leafDer },
  }
  // The log first: without its time it could not be said whether a certificate of ten minutes was valid.
  const entry = checkRekorSet({ untrustedSet: Buffer.from(untrustedSet), logged, rekorKeys, now })
  if (!entry.ok) return rejected('NOT_LOGGED', entry.problem)
  const certified = checkFulcioCertificate(args.trust, brought, entry.loggedAt)
  return checkByCertificate(args, decoded.signature, certified, entry.loggedAt)
}

/** A signature with a certificate of one's own CA, valid now. */
export function checkAttachedWithPki(args: Args & { readonly trust: PkiTrust }): SignatureCheck {
  const brought = broughtCertificates(args.signature)
  if (brought === undefined) return rejected('UNTRUSTED_SIGNER', `the annotation ${CERTIFICATE} is missing`)
  const decoded = decodeSignatureAnnotation(args.signature)
  if (!decoded.ok) return rejected('MALFORMED', decoded.problem)
  const certified = checkPkiCertificate(args.trust, brought, args.now)
  const check = checkByCertificate(args, decoded.signature, certified, undefined)
  return certified.ok ? onlyUntil(check, certified.goodUntil) : check
}

function checkByCertificate(
  { signature, subject }: Args,
  signatureBytes: Uint8Array,
  certified: CertifiedSigner,
  loggedAt: Date | undefined,
): SignatureCheck {
  if (!certified.ok)
    return rejected(certified.wrong === 'subject' ? 'WRONG_SIGNER' : 'UNTRUSTED_SIGNER', certified.problem)
  if (!verifyWithKey(certified.key, signature.untrustedPayload, signatureBytes)) {
    return rejected('UNTRUSTED_SIGNER', `not made with the key of the certificate for ${certified.signer}`)
  }
  return checkSignedPayload({
    signedPayload: signature.untrustedPayload,
    subject,
    signer: certified.signer,
    fingerprint: certified.leaf.x509.fingerprint256.replaceAll(':', '').toLowerCase(),
    loggedAt,
  })
}

function broughtCertificates({ untrustedAnnotations }: AttachedSignature): UntrustedCertificates | undefined {
  const leafPem = untrustedAnnotations.get(CERTIFICATE)
  return leafPem === undefined ? undefined : { leafPem, chainPem: withoutRoot(untrustedAnnotations.get(CHAIN)) }
}

/**
 * The intermediates of a chain annotation. Its last certificate is the root: cosign writes it, and containers/image leaves
 * it out whatever it is, so that a chain of one holds nothing. An empty annotation is none.
 *
 * @returns what cannot be read as it is, for the check of the certificate to refuse it
 */
function withoutRoot(untrustedPem: string | undefined): string | undefined {
  if (untrustedPem === undefined || untrustedPem === '') return undefined
  try {
    const intermediates = parseCertificates(untrustedPem).slice(0, -1)
    return intermediates.length === 0 ? undefined : intermediates.map(({ x509 }) => x509.toString()).join('')
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error
    return untrustedPem
  }
}

function onlyCertificate(pem: string): Uint8Array | undefined {
  try {
    const [first, another] = parseCertificates(pem)
    return another === undefined ? first.der : undefined
  } catch {
    return undefined // said by the caller, in its own words
  }
}
