import type { JsonCursor } from '../json/decode.ts'
import { exactProblem, nameTypeOf, patternProblem, type NameType, type TextMatcher } from './identity-pattern.ts'
import { materialIn, type MaterialFields } from './parse-material.ts'
import { decodeSignedIdentity } from './parse-signed-identity.ts'
import type { MaterialSource, SignedIdentity } from './policy.ts'
import { parseTufPlace } from './tuf-place.ts'

/**
 * The requirement type that policy.json lacks: a keyless signature by one of these identities. The name is one that no
 * other tool knows, so podman, CRI-O and skopeo refuse a policy that has it instead of passing over it.
 */
export const SIGSTORE_IDENTITY_TYPE = 'sealgate.sigstoreIdentity'

export type SigstoreIdentityRequirement = {
  readonly type: typeof SIGSTORE_IDENTITY_TYPE
  /** A trusted_root.json: a file, a resource of the key broker, or a target of the TUF repository (`tuf:…`). */
  readonly trustedRoot: MaterialSource
  /** Any one of them is enough. */
  readonly identities: readonly [CertificateIdentity, ...CertificateIdentity[]]
  readonly signedIdentity: SignedIdentity | undefined
}

/** Who a certificate must be issued to, and on whose word. Both must hold. */
export type CertificateIdentity = {
  readonly issuer: TextMatcher
  /** Names are compared with names of the same type only (case 22). */
  readonly subject: { readonly type: NameType; readonly matcher: TextMatcher }
}

const TRUSTED_ROOT = {
  name: 'trusted root',
  one: 'trustedRootPath',
  data: 'trustedRootData',
} as const satisfies MaterialFields
const MAX_IDENTITIES = 256

/** Reads a requirement of this type; unknown, missing and repeated fields are problems, as everywhere in a policy. */
export function decodeSigstoreIdentity(cursor: JsonCursor): SigstoreIdentityRequirement | undefined {
  const fields = cursor.object({
    required: ['type', 'identities'],
    optional: ['trustedRootPath', 'trustedRootData', 'signedIdentity'],
  })
  if (fields === undefined) return undefined
  const before = cursor.problemCount
  if (fields.type.string() !== SIGSTORE_IDENTITY_TYPE) fields.type.fail(`is not "${SIGSTORE_IDENTITY_TYPE}"`)
  const trustedRoot = materialIn(cursor, fields, TRUSTED_ROOT, 'required')
  const place = trustedRoot?.from === 'places' ? parseTufPlace(trustedRoot.places[0]) : undefined
  if (place?.is === 'malformed') fields.trustedRootPath?.fail(place.problem)
  const identities = decodeIdentities(fields.identities)
  const signedIdentity = fields.signedIdentity && decodeSignedIdentity(fields.signedIdentity)
  if (cursor.problemCount > before || trustedRoot === undefined || identities === undefined) return undefined
  return { type: SIGSTORE_IDENTITY_TYPE, trustedRoot, identities, signedIdentity }
}

/** Never empty: an identity that is not asked for would be anybody (case 20). */
function decodeIdentities(cursor: JsonCursor): SigstoreIdentityRequirement['identities'] | undefined {
  const items = cursor.items()
  if (items === undefined) return undefined
  if (items.length === 0) return cursor.fail('must not be empty: it would be met by anybody')
  if (items.length > MAX_IDENTITIES) return cursor.fail(`has ${items.length} entries, more than ${MAX_IDENTITIES}`)
  const [first, ...others] = items.map(decodeIdentity).filter(identity => identity !== undefined)
  return first !== undefined && others.length + 1 === items.length ? [first, ...others] : undefined
}

function decodeIdentity(cursor: JsonCursor): CertificateIdentity | undefined {
  const fields = cursor.object({
    required: [],
    optional: ['issuer', 'issuerPattern', 'subject', 'subjectPattern'],
  })
  if (fields === undefined) return undefined
  const issuer = decodeMatcher(cursor, 'issuer', fields.issuer, fields.issuerPattern)
  const subject = decodeMatcher(cursor, 'subject', fields.subject, fields.subjectPattern)
  if (issuer === undefined || subject === undefined) return undefined
  const type = nameTypeOf(textOf(subject))
  if (type === undefined) return cursor.fail('the subject is neither a URI with its scheme nor an e-mail address')
  if (issuer.kind === 'pattern' && nameTypeOf(issuer.pattern) !== 'uri') {
    return cursor.fail('the issuerPattern is no URL')
  }
  return { issuer, subject: { type, matcher: subject } }
}

function textOf(matcher: TextMatcher): string {
  return matcher.kind === 'exact' ? matcher.text : matcher.pattern
}

function decodeMatcher(
  cursor: JsonCursor,
  name: string,
  exact: JsonCursor | undefined,
  pattern: JsonCursor | undefined,
): TextMatcher | undefined {
  const field = exact ?? pattern
  if (field === undefined || (exact !== undefined && pattern !== undefined)) {
    return cursor.fail(`needs exactly one of ${name} and ${name}Pattern`)
  }
  const text = field.nonEmptyString()
  if (text === undefined) return undefined
  const problem = exact === undefined ? patternProblem(text) : exactProblem(text)
  if (problem !== undefined) return field.fail(problem)
  return exact === undefined ? { kind: 'pattern', pattern: text } : { kind: 'exact', text }
}
