import { checkAttachedWithFulcio, checkAttachedWithLog, checkAttachedWithPki } from './attached-certificate.ts'
import { checkAttachedWithIdentity } from './attached-identity.ts'
import { checkAttachedWithKeys, type AttachedSignature, type Subject } from './attached-signature.ts'
import { checkBundle } from './bundle/check-bundle.ts'
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
    case 'gpg': {
      if (signature.format !== 'gpg')
        return rejected('NOT_APPLICABLE', `is no GPG signature but a ${signature.format} one`)
      // Read when a policy asks for it: a whole library that most gates never need.
      const { checkGpgSignature } = await import('./gpg-signature.ts')
      return checkGpgSignature({
        untrustedBytes: signature.untrustedBytes,
        keyring: trust.keyring,
        subject,
        now: args.now,
      })
    }
    case 'keys':
    case 'fulcio':
    case 'pki':
    case 'identity':
      return checkSigstore(signature, trust, args)
  }
}

type UsableSignature = Exclude<UntrustedSignature, { format: 'unusable' }>
type SigstoreTrust = Extract<TrustMaterial, { by: 'keys' | 'fulcio' | 'pki' | 'identity' }>

function checkSigstore(
  signature: UsableSignature,
  trust: SigstoreTrust,
  { subject, now }: { readonly subject: Subject; readonly now: Date },
): SignatureCheck {
  switch (signature.format) {
    case 'simple-signing':
      return checkAttached(signature, trust, { subject, now })
    case 'bundle':
      return checkBundle({ untrustedBytes: signature.untrustedBytes, subject, trust, now })
    case 'gpg':
      return rejected('NOT_APPLICABLE', 'is a GPG signature, which no sigstore key or certificate verifies')
  }
}

function checkAttached(
  signature: AttachedSignature,
  trust: SigstoreTrust,
  { subject, now }: { readonly subject: Subject; readonly now: Date },
): SignatureCheck {
  switch (trust.by) {
    case 'keys':
      return trust.rekorKeys === undefined
        ? checkAttachedWithKeys({ signature, subject, keys: trust.keys })
        : checkAttachedWithLog({ signature, subject, keys: trust.keys, rekorKeys: trust.rekorKeys, now })
    case 'fulcio':
      return checkAttachedWithFulcio({ signature, subject, trust: trust.trust, rekorKeys: trust.rekorKeys, now })
    case 'pki':
      return checkAttachedWithPki({ signature, subject, trust: trust.trust, now })
    case 'identity':
      return checkAttachedWithIdentity({ signature, subject, trust, now })
  }
}
