import type { Subject } from '../attached-signature.ts'
import { verifyWithKey, type TrustedKey } from '../public-key.ts'
import { rejected, type SignatureCheck } from '../signature.ts'
import { acceptContent } from './accept.ts'
import { checkEvidence } from './evidence.ts'
import type { UntrustedBundle } from './parse-bundle.ts'
import { logsOfRekorKeys } from './rekor-logs.ts'
import { signedBytesOf } from './signed-content.ts'

/**
 * A bundle held against the keys of a policy, as `cosign verify --key` does; the key's hint in the bundle is not believed
 * (case 51). Without Rekor keys no log is asked, and what the bundle says of one proves nothing. With them, the bundle
 * must hold an entry of such a log about this very signature by this very key; timestamps are not asked for then, since a
 * policy names no authority that could vouch for them.
 */
export function checkByKeys(args: {
  readonly bundle: UntrustedBundle
  readonly subject: Subject
  readonly keys: readonly TrustedKey[]
  readonly rekorKeys: readonly TrustedKey[] | undefined
  readonly now: Date
}): SignatureCheck {
  const { bundle, subject, keys, rekorKeys } = args
  const { content, logEntries } = bundle
  const signedBytes = signedBytesOf(content, subject)
  const key = keys.find(one => verifyWithKey(one, signedBytes, content.signature))
  if (key === undefined) return rejected('UNTRUSTED_SIGNER', `not made with ${keys.map(one => one.name).join(' or ')}`)
  const accepted = { content, subject, signer: key.name, fingerprint: key.fingerprint }
  if (rekorKeys === undefined) return acceptContent({ ...accepted, loggedAt: undefined })
  if (logEntries.length === 0) return rejected('NOT_LOGGED', `signed by ${key.name}, but the bundle has no log entry`)
  const verdict = checkEvidence({
    evidence: {
      signedBytes,
      payload: content.kind === 'dsse' ? content.payload : undefined,
      signature: content.signature,
      signer: { label: 'PUBLIC KEY', der: key.der },
      logEntries,
      timestamps: [],
    },
    signer: { by: 'key', key },
    material: {
      tlogs: logsOfRekorKeys(rekorKeys, logEntries),
      ctlogs: [],
      certificateAuthorities: [],
      timestampAuthorities: [],
    },
    now: args.now,
  })
  if (!verdict.ok) return rejected(verdict.code, `signed by ${key.name}, but ${verdict.problem}`)
  return acceptContent({ ...accepted, loggedAt: verdict.times[0] })
}
