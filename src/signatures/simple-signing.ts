import { decodeJson, formatProblem, type JsonCursor } from '../json/decode.ts'
import { parseDigest, type Digest } from '../reference/digest.ts'

/** `critical.type`: what kind of statement a simple signing payload is. The one is never taken for the other (case 35). */
export const PAYLOAD_TYPES = {
  cosign: 'cosign container image signature',
  gpg: 'atomic container signature',
} as const

export type PayloadType = (typeof PAYLOAD_TYPES)[keyof typeof PAYLOAD_TYPES]

/** What a simple signing payload states: this name is (an image with) this digest. */
export type SimpleSigningPayload = { readonly digest: Digest; readonly dockerReference: string }

export type ParsedPayload =
  { readonly ok: true; readonly payload: SimpleSigningPayload } | { readonly ok: false; readonly problem: string }

export const MAX_PAYLOAD_BYTES: number = 1024 * 1024

/**
 * Reads a payload that a trusted key has signed, as strictly as containers/image: exactly the fields `critical` and
 * `optional`, inside `critical` exactly type, image.docker-manifest-digest and identity.docker-reference, no key twice.
 * `optional` may hold anything, but `creator` is a string and `timestamp` a whole number where they are given.
 * cosign's specs/SIGNATURE_SPEC.md, containers-signature(5); cases 34 to 40.
 */
export function parseSimpleSigning(bytes: Uint8Array, type: PayloadType): ParsedPayload {
  const decoded = decodeJson(bytes, root => decodePayload(root, type), { maxBytes: MAX_PAYLOAD_BYTES, maxDepth: 16 })
  return decoded.ok ? { ok: true, payload: decoded.value } : { ok: false, problem: formatProblem(decoded.problems[0]) }
}

function decodePayload(root: JsonCursor, type: PayloadType): SimpleSigningPayload | undefined {
  const top = root.object({ required: ['critical', 'optional'] })
  const critical = top?.critical.object({ required: ['type', 'image', 'identity'] })
  const image = critical?.image.object({ required: ['docker-manifest-digest'] })
  const identity = critical?.identity.object({ required: ['docker-reference'] })
  if (!top || !critical || !image || !identity) return undefined

  checkOptional(top.optional, type)
  const statedType = critical.type.string()
  if (statedType !== undefined && statedType !== type) critical.type.fail(`is not ${JSON.stringify(type)}`)
  const digestText = image['docker-manifest-digest'].string()
  const dockerReference = identity['docker-reference'].string()
  if (digestText === undefined || dockerReference === undefined) return undefined
  const digest = parseDigest(digestText)
  if (digest === undefined) return image['docker-manifest-digest'].fail('is not a sha256 or sha512 digest')
  return { digest, dockerReference }
}

function checkOptional(optional: JsonCursor, type: PayloadType): void {
  // cosign writes null where there are no annotations; containers-signature(5) asks for an object.
  if (type === PAYLOAD_TYPES.cosign && optional.node.kind === 'null') return
  if (optional.entries() === undefined) return
  optional.member('creator')?.string()
  optional.member('timestamp')?.integer(Number.MIN_SAFE_INTEGER)
}
