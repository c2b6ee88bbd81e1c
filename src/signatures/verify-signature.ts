import { checkAttachedWithKeys, type Subject } from './attached-signature.ts'
import { checkBundleWithKeys } from './bundle/check-with-keys.ts'
import { checkGpgSignature } from './gpg-signature.ts'
import type { TrustedKey } from './public-key.ts'
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
      return checkWithKeys(signature, trust.keys, subject)
  }
}

function checkWithKeys(
  signature: Exclude<UntrustedSignature, { format: 'unusable' }>,
  keys: readonly TrustedKey[],
  subject: Subject,
): SignatureCheck {
  switch (signature.format) {
    case 'simple-signing':
      return checkAttachedWithKeys({ signature, subject, keys })
    case 'bundle':
      return checkBundleWithKeys({ untrustedBytes: signature.untrustedBytes, subject, keys })
    case 'gpg':
      return rejected('NOT_APPLICABLE', 'is a GPG signature, which no cosign key verifies')
  }
}
