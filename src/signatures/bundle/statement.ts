import { decodeJson, formatProblem, type JsonCursor } from '../../json/decode.ts'
import { foldedNames, hasNoCaseVariant } from '../../json/fold-key.ts'
import { digestMatches, parseDigest, type Digest } from '../../reference/digest.ts'
import type { Subject } from '../attached-signature.ts'

export type StatementVerdict =
  { readonly ok: true } | { readonly ok: false; readonly problem: string; readonly about: 'form' | 'digest' }

export const IN_TOTO_PAYLOAD = 'application/vnd.in-toto+json'
const STATEMENTS: ReadonlySet<string> = new Set([
  'https://in-toto.io/Statement/v1',
  'https://in-toto.io/Statement/v0.1',
])
/** What `cosign sign` states. Anything else is an attestation, and never a signature (cases 28, 29). */
const COSIGN_SIGN = 'https://sigstore.dev/cosign/sign/v1'
const MAX_SUBJECTS = 1024
/** A subject may have other fields, but none that a reader in Go would take for this one (case 37). */
const SUBJECT_NAMES = foldedNames(['digest'])
const LIMITS = { maxBytes: 1024 * 1024, maxDepth: 32 }

/** Whether a signed in-toto statement says that exactly these bytes were signed. */
export function checkStatement(signedPayload: Uint8Array, subject: Subject): StatementVerdict {
  const decoded = decodeJson(signedPayload, decodeStatement, LIMITS)
  if (!decoded.ok) return { ok: false, about: 'form', problem: formatProblem(decoded.problems[0]) }
  const isAbout = decoded.value.some(digest => digest === subject.digest || digestMatches(digest, subject.bytes))
  return isAbout
    ? { ok: true }
    : { ok: false, about: 'digest', problem: `is about ${decoded.value.join(', ').slice(0, 200)}` }
}

/** The sha256 and sha512 digests of the subjects; other algorithms name nothing here. */
function decodeStatement(root: JsonCursor): readonly Digest[] | undefined {
  const top = root.object({ required: ['_type', 'predicateType', 'subject'], optional: ['predicate'] })
  if (top === undefined) return undefined
  const type = top._type.string()
  if (type !== undefined && !STATEMENTS.has(type)) top._type.fail('is not an in-toto statement')
  const predicateType = top.predicateType.string()
  if (predicateType !== undefined && predicateType !== COSIGN_SIGN) {
    top.predicateType.fail(`${JSON.stringify(predicateType.slice(0, 80))} is an attestation, not a signature`)
  }
  const subjects = top.subject.items()
  if (subjects === undefined) return undefined
  if (subjects.length > MAX_SUBJECTS) return top.subject.fail(`has more than ${MAX_SUBJECTS} entries`)
  const digests = subjects.flatMap(subject => digestsOf(subject))
  return digests.length > 0 ? digests : top.subject.fail('names no digest')
}

function digestsOf(subject: JsonCursor): readonly Digest[] {
  if (!hasNoCaseVariant(subject, SUBJECT_NAMES)) return []
  const digests = subject.member('digest')
  if (digests === undefined) return []
  return (['sha256', 'sha512'] as const).flatMap(algorithm => {
    const hex = digests.member(algorithm)?.string()
    const digest = hex === undefined ? undefined : parseDigest(`${algorithm}:${hex}`)
    return digest === undefined ? [] : [digest]
  })
}
