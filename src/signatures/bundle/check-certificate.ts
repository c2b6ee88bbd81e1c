import type { Subject } from '../attached-signature.ts'
import {
  checkFulcioCertificate,
  checkPkiCertificate,
  type CertifiedSigner,
  type FulcioTrust,
  type PkiTrust,
  type UntrustedCertificates,
} from '../certificate-trust.ts'
import { KeyError, trustedKeyOf, verifyWithKey, type TrustedKey } from '../public-key.ts'
import { onlyUntil, rejected, type SignatureCheck } from '../signature.ts'
import { CertificateError, parseCertificate, type Certificate } from '../x509/certificate.ts'
import { acceptContent } from './accept.ts'
import { checkEvidence, type Evidence } from './evidence.ts'
import { checkIdentityEvidence, type IdentityTrust } from './identity-evidence.ts'
import type { UntrustedBundle } from './parse-bundle.ts'
import { logsOfRekorKeys } from './rekor-logs.ts'
import { signedBytesOf } from './signed-content.ts'

type Args = { readonly bundle: UntrustedBundle; readonly subject: Subject; readonly now: Date }

/** A keyless bundle held against a trusted root and identities. */
export function checkByIdentity(args: Args & { readonly trust: IdentityTrust }): SignatureCheck {
  const opened = openCertified(args)
  if (!opened.ok) return opened.check
  const { leaf, evidence } = opened
  const verdict = checkIdentityEvidence({ leaf, evidence, trust: args.trust, now: args.now })
  if (!verdict.ok) return rejected(verdict.code, verdict.problem)
  return acceptCertified(args, { leaf, signer: verdict.signer, loggedAt: verdict.loggedAt })
}

/**
 * The `fulcio` of a policy.json: a CA, an e-mail address, an OIDC issuer and Rekor keys. The time is that of a signed entry
 * timestamp, so an entry of Rekor v2, which has none, cannot meet it. containers/image asks for no CT log here.
 */
export function checkByFulcio(
  args: Args & { readonly trust: FulcioTrust; readonly rekorKeys: readonly TrustedKey[] },
): SignatureCheck {
  const opened = openCertified(args)
  if (!opened.ok) return opened.check
  const { leaf, key, evidence } = opened
  if (evidence.logEntries.length === 0) return rejected('NOT_LOGGED', 'the bundle has no log entry')
  const verdict = checkEvidence({
    evidence: { ...evidence, timestamps: [] },
    signer: { by: 'key', key },
    material: {
      tlogs: logsOfRekorKeys(args.rekorKeys, evidence.logEntries),
      ctlogs: [],
      certificateAuthorities: [],
      timestampAuthorities: [],
    },
    now: args.now,
  })
  if (!verdict.ok) return rejected(verdict.code, verdict.problem)
  const [loggedAt] = verdict.times
  if (loggedAt === undefined) return rejected('NOT_LOGGED', 'no log has signed a time for it')
  const checks = verdict.times.map(at => checkFulcioCertificate(args.trust, opened.pem, at))
  const refused = checks.find(check => !check.ok)
  if (refused !== undefined) return wrongSigner(refused)
  return acceptCertified(args, { leaf, signer: `${args.trust.subjectEmail} (${args.trust.oidcIssuer})`, loggedAt })
}

/** The `pki` of a policy.json: a CA of one's own, whose certificates are good as of now. No log is asked. */
export function checkByPki(args: Args & { readonly trust: PkiTrust }): SignatureCheck {
  const opened = openCertified(args)
  if (!opened.ok) return opened.check
  const certified = checkPkiCertificate(args.trust, opened.pem, args.now)
  if (!certified.ok) return wrongSigner(certified)
  const check = acceptCertified(args, { leaf: opened.leaf, signer: certified.signer, loggedAt: undefined })
  return onlyUntil(check, certified.goodUntil)
}

function wrongSigner(certified: Extract<CertifiedSigner, { ok: false }>): SignatureCheck {
  return rejected(certified.wrong === 'subject' ? 'WRONG_SIGNER' : 'UNTRUSTED_SIGNER', certified.problem)
}

type Opened =
  | {
      readonly ok: true
      readonly leaf: Certificate
      readonly key: TrustedKey
      readonly pem: UntrustedCertificates
      readonly evidence: Evidence
    }
  | { readonly ok: false; readonly check: SignatureCheck }

/** The certificate that a bundle brings, and that its key has made the signature; who it is for is not yet checked. */
function openCertified({ bundle, subject }: Args): Opened {
  const { signer, content } = bundle
  if (signer.by !== 'certificates') {
    return { ok: false, check: rejected('UNTRUSTED_SIGNER', 'the bundle holds no certificate') }
  }
  let leaf: Certificate
  let others: readonly Certificate[]
  let key: TrustedKey
  try {
    const [first, ...rest] = signer.certificates
    leaf = parseCertificate(first)
    others = rest.map(parseCertificate)
    key = trustedKeyOf(leaf.x509.publicKey, 'the key of its certificate')
  } catch (error) {
    if (!(error instanceof CertificateError || error instanceof KeyError)) throw error
    return { ok: false, check: rejected('MALFORMED', `its certificate cannot be used: ${error.message}`) }
  }
  const signedBytes = signedBytesOf(content, subject)
  if (!verifyWithKey(key, signedBytes, content.signature)) {
    return { ok: false, check: rejected('UNTRUSTED_SIGNER', 'not made with the key of its certificate') }
  }
  const chainPem = others.length === 0 ? undefined : others.map(({ x509 }) => x509.toString()).join('')
  return {
    ok: true,
    leaf,
    key,
    pem: { leafPem: leaf.x509.toString(), chainPem },
    evidence: {
      signedBytes,
      payload: content.kind === 'dsse' ? content.payload : undefined,
      signature: content.signature,
      signer: { label: 'CERTIFICATE', der: leaf.der },
      logEntries: bundle.logEntries,
      timestamps: bundle.timestamps,
    },
  }
}

function acceptCertified(
  { bundle, subject }: Args,
  {
    leaf,
    signer,
    loggedAt,
  }: { readonly leaf: Certificate; readonly signer: string; readonly loggedAt: Date | undefined },
): SignatureCheck {
  const fingerprint = leaf.x509.fingerprint256.replaceAll(':', '').toLowerCase()
  return acceptContent({ content: bundle.content, subject, signer, fingerprint, loggedAt })
}
