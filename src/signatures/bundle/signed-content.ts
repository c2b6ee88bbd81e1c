import { createHash } from 'node:crypto'
import type { Subject } from '../attached-signature.ts'
import type { UntrustedContent } from './parse-bundle.ts'
import { checkStatement, IN_TOTO_PAYLOAD } from './statement.ts'

/**
 * The very bytes that a bundle's signature is over: the pre-authentication encoding of an envelope, or, for a message
 * signature, the manifest itself (what `cosign sign-blob` makes of it; `cosign sign` only makes envelopes).
 */
export function signedBytesOf(content: UntrustedContent, subject: Subject): Uint8Array {
  switch (content.kind) {
    case 'dsse':
      return preAuthenticationEncoding(content)
    case 'message':
      return subject.bytes
  }
}

/**
 * DSSE protocol: `DSSEv1 <length of type> <type> <length of payload> <payload>`, lengths in bytes (case 69).
 */
export function preAuthenticationEncoding(envelope: {
  readonly payloadType: string
  readonly payload: Uint8Array
}): Uint8Array {
  const { payload } = envelope
  const type = Buffer.from(envelope.payloadType)
  return Buffer.concat([
    Buffer.from(`DSSEv1 ${type.byteLength} `),
    type,
    Buffer.from(` ${payload.byteLength} `),
    payload,
  ])
}

export type ContentVerdict =
  { readonly ok: true } | { readonly ok: false; readonly code: 'MALFORMED' | 'WRONG_DIGEST'; readonly problem: string }

/**
 * Whether what was signed is a statement about the subject. Called once a trusted signer stands for it: before, it says
 * nothing. A library that verifies a bundle does not look at any of this (section L, e; cases 28, 29).
 */
export function checkContent(content: UntrustedContent, subject: Subject): ContentVerdict {
  switch (content.kind) {
    case 'dsse': {
      if (content.payloadType !== IN_TOTO_PAYLOAD) {
        return { ok: false, code: 'MALFORMED', problem: 'it is not an in-toto statement' }
      }
      const statement = checkStatement(content.payload, subject)
      if (statement.ok) return statement
      const code = statement.about === 'digest' ? 'WRONG_DIGEST' : 'MALFORMED'
      return { ok: false, code, problem: statement.problem }
    }
    case 'message': {
      const digest = createHash(content.hash).update(subject.bytes).digest()
      if (digest.equals(content.digest)) return { ok: true }
      return { ok: false, code: 'WRONG_DIGEST', problem: 'its message digest is another one' }
    }
  }
}
