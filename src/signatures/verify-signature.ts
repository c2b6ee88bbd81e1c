import { checkAttachedWithFulcio, checkAttachedWithLog, checkAttachedWithPki } from './attached-certificate.ts'
import { checkAttachedWithKeys, type Subject } from './attached-signature.ts'
import { checkBundleWithKeys } from './bundle/check-with-keys.ts'
import { checkGpgSignature } from './gpg-signature.ts'
import { rejected, type SignatureCheck, type UntrustedSignature } from './signature.ts'
import type { TrustMaterial } from './trust-material.ts'

/**
 * Whether one signature is by somebody this trust material names, and about exactly the subject's bytes. What the signer
 * calls the image is returned unjudged: the policy's signed identity comes after.
 *
 * @param now wall clock, for certificates and log times
 */
export async function verifySignature(args: {
  readonly signature: UntrustedSignature
  readonly trust: TrustMaterial
  readonly subject: Subject
  readonly now: Date
}): Promise<SignatureCheck> {
  const { signature, trust, subject } = args
  if (signature.format === 'unusable') return rejected('MALFORMED', signature.problem)
  switch (trust.by) {
    case 'unbuilt':
      return rejected('NOT_APPLICABLE', `this version cannot verify ${trust.what}`)
    case 'gpg':
      if (signature.format !== 'gpg')
        return rejected('NOT_APPLICABLE', `is no GPG signature but a ${signature.format} one`)
      return checkGpgSignature({
        untrustedBytes: signature.untrustedBytes,
        keyring: trust.keyring,
        subject,
        now: args.now,
      })
    case 'keys':
      return checkWithKeys(args, signature, trust)
    case 'fulcio':
      if (signature.format !== 'simple-signing') return notOfACertificate(signature)
      return checkAttachedWithFulcio({
        signature,
        subject,
        trust: trust.trust,
        rekorKeys: trust.rekorKeys,
        now: args.now,
      })
    case 'pki':
      if (signature.format !== 'simple-signing') return notOfACertificate(signature)
      return checkAttachedWithPki({ signature, subject, trust: trust.trust, now: args.now })
  }
}

type UsableSignature = Exclude<UntrustedSignature, { format: 'unusable' }>

function checkWithKeys(
  { subject, now }: { readonly subject: Subject; readonly now: Date },
  signature: UsableSignature,
  { keys, rekorKeys }: Extract<TrustMaterial, { by: 'keys' }>,
): SignatureCheck {
  switch (signature.format) {
    case 'simple-signing':
      return rekorKeys === undefined
        ? checkAttachedWithKeys({ signature, subject, keys })
        : checkAttachedWithLog({ signature, subject, keys, rekorKeys, now })
    case 'bundle':
      if (rekorKeys === undefined)
        return checkBundleWithKeys({ untrustedBytes: signature.untrustedBytes, subject, keys })
      return rejected('NOT_APPLICABLE', 'is a sigstore bundle, whose log entry this version cannot check')
    case 'gpg':
      return rejected('NOT_APPLICABLE', 'is a GPG signature, which no cosign key verifies')
  }
}

function notOfACertificate({ format }: UsableSignature): SignatureCheck {
  const what =
    format === 'bundle' ? 'a sigstore bundle, whose certificate this version cannot check' : 'a GPG signature'
  return rejected('NOT_APPLICABLE', `is ${what}`)
}
