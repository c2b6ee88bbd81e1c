import type { Subject } from '../attached-signature.ts'
import { rejected, type SignatureCheck } from '../signature.ts'
import type { TrustMaterial } from '../trust-material.ts'
import { checkByFulcio, checkByIdentity, checkByPki } from './check-certificate.ts'
import { checkByKeys } from './check-keys.ts'
import { parseBundle } from './parse-bundle.ts'

/** Whom a requirement trusts, as far as a bundle can prove it. */
export type BundleTrust = Exclude<TrustMaterial, { by: 'gpg' | 'unbuilt' }>

/**
 * Checks a sigstore bundle, version 0.1 to 0.3, with an envelope or a message signature: made by somebody who is trusted,
 * logged where that is asked for, and about exactly the subject's bytes. It claims no name.
 *
 * Nothing is thrown for anything a bundle holds.
 *
 * @param now wall clock, for log times and certificates
 */
export function checkBundle(args: {
  readonly untrustedBytes: Uint8Array
  readonly subject: Subject
  readonly trust: BundleTrust
  readonly now: Date
}): SignatureCheck {
  const { subject, trust, now } = args
  const parsed = parseBundle(args.untrustedBytes)
  if (!parsed.ok) return rejected('MALFORMED', `the bundle is malformed: ${parsed.problem}`)
  const bundle = parsed.bundle
  switch (trust.by) {
    case 'keys':
      return checkByKeys({ bundle, subject, now, keys: trust.keys, rekorKeys: trust.rekorKeys })
    case 'fulcio':
      return checkByFulcio({ bundle, subject, now, trust: trust.trust, rekorKeys: trust.rekorKeys })
    case 'pki':
      return checkByPki({ bundle, subject, now, trust: trust.trust })
    case 'identity':
      return checkByIdentity({ bundle, subject, now, trust })
  }
}
