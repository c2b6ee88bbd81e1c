import type { Subject } from '../attached-signature.ts'
import { rejected, type SignatureCheck } from '../signature.ts'
import type { UntrustedContent } from './parse-bundle.ts'
import { checkContent } from './signed-content.ts'

/** The last step for every bundle: what a trusted signer has signed must be about the subject. A bundle names no image. */
export function acceptContent(args: {
  readonly content: UntrustedContent
  readonly subject: Subject
  readonly signer: string
  readonly fingerprint: string
  readonly loggedAt: Date | undefined
}): SignatureCheck {
  const { content, subject, signer, fingerprint, loggedAt } = args
  const verdict = checkContent(content, subject)
  if (!verdict.ok) return rejected(verdict.code, `signed by ${signer}, but ${verdict.problem}`)
  return {
    verified: true,
    signature: { digest: subject.digest, claim: { kind: 'none' }, signer, fingerprint, loggedAt },
  }
}
